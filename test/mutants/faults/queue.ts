/** Faults beside the data: lost jobs, pauses, the scan slot, the pace, the pool. They cost no byte, but hold work up for ever. */
import { type Fault, fault } from '../fault.ts';

type Replacement = readonly [find: string, replace: string];

function lost(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I8 I12', { file: 'src/queue/bullmq-keys.ts', edits });
}

function compact(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I8', { file: 'src/queue/compact-queue.ts', edits });
}

function control(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I8', { file: 'src/queue/pause.ts', edits });
}

function slot(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I8', { file: 'src/queue/scan-schedule.ts', edits });
}

function bound(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I8', { file: 'src/queue/job-bound.ts', edits });
}

function shared(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I8', { file: 'src/pace/shared-rate.ts', edits });
}

function pool(name: string, ...edits: readonly Replacement[]): Fault {
  return fault(name, 'I8 I9', { file: 'workers/processes/child-process.ts', edits });
}

export const QUEUE_FAULTS: readonly Fault[] = [
  lost('a delayed job counts as lost', ['if isIn(id, 4, 6) or', 'if isIn(id, 4, 4) or']),
  lost('a job in work counts as lost at once', ['if isActive and hasOwner(id) then return 0 end', '']),
  lost(
    'a job without a lock is taken away at the first look',
    ['return now - since <= patience end', 'return false end'],
    ["redis.call('ZADD', KEYS[10], now, id)\n  redis.call('PEXPIRE', KEYS[10], keep)\n  return true", 'return false'],
  ),
  lost('a job that had no lock once is taken for the same again', [
    "redis.call('ZREM', KEYS[10], id)\n    return true",
    'return true',
  ]),
  lost('a job that was given back stays in the list of those in work', ["redis.call('LREM', KEYS[3], 0, id)", '']),
  lost('a job that was given back counts no death', ["redis.call('HINCRBY', base .. id, 'stc', 1)", '']),
  lost('a lost job runs beside the one that stands for its inode', ['and (not named or named == id)', '']),
  lost('a reap record that ended as failed is dropped', ['and not (ended and inode) and', 'and not ended and']),
  lost('the data of a job that has ended is taken away', [
    "if not isListed then redis.call('DEL'",
    "if true then redis.call('DEL'",
  ]),
  lost('a full Redis leaves half of what is given back', [
    'if isLost then\n    giveBack(id, n)',
    "if isLost then\n    if isActive then redis.call('LREM', KEYS[3], 0, id) end\n    giveBack(id, n)",
  ]),
  compact('a lost job is not looked for when its inode is queued', [
    "if (isOver || (await this.giveBack([jobId])).get(jobId) !== 'nothing')",
    'if (isOver || jobId)',
  ]),
  compact('a key without a job keeps its inode from being queued', [
    "?? '') ?? 'nothing') === 'nothing'",
    "?? '') ?? 'nothing') === 'given-back'",
  ]),
  compact('a second try is waited for by another clock', [
    'isIdle(Date.now() + forMs)',
    'isIdle(performance.timeOrigin + performance.now() + forMs)',
  ]),
  fault('a queue whose only job is in work counts as drained', 'I8', {
    file: 'src/queue/bullmq-keys.ts',
    edits: [['for (const name of LISTS) batch.llen(this.#key(name));', '']],
  }),
  fault('ended runs are looked for by another clock', 'I8', {
    file: 'src/queue/run-counter.ts',
    edits: [
      ['#sinceMs = Date.now();', '#sinceMs = performance.timeOrigin + performance.now();'],
      ['const nowMs = Date.now();', 'const nowMs = performance.timeOrigin + performance.now();'],
    ],
  }),
  fault('who waits for a lost job waits for ever', 'I8', {
    file: 'src/queue/wait-for-run.ts',
    edits: [["if (state === 'unknown' || state === 'active') await options.queue.giveBack([jobId]);", '']],
  }),
  fault('a job that is gone counts as one that has ended', 'I8', {
    file: 'src/queue/wait-for-run.ts',
    edits: [
      [
        "if (job === undefined) return { kind: 'gone' };",
        "if (job === undefined) return { kind: 'completed', jobId, value: undefined };",
      ],
    ],
  }),
  fault('the hourly walk passes over reap records', 'I12', {
    file: 'src/queue/lost-jobs.ts',
    edits: [['for (const swept of queues)', 'for (const swept of queues.slice(0, 1))']],
  }),
  fault('every worker walks at every look', 'I8', {
    file: 'src/queue/lost-jobs.ts',
    edits: [['if (mine === null) return false;', '']],
  }),
  fault('a walk that died is the last one', 'I8', {
    file: 'src/queue/lost-jobs.ts',
    edits: [["'1', 'PX', WALK_LIFE_MS, 'NX'", "'1', 'NX'"]],
  }),
  fault('what fails after the walk makes it again every few minutes', 'I8', {
    file: 'src/queue/lost-jobs.ts',
    edits: [['if ((await connection.exists(walked)) === 1) return;', '']],
  }),
  control('a pause is forgotten by a second one', ['.hsetnx(this.#pausedKey,', '.hset(this.#pausedKey,']),
  control('a resume leaves parked jobs to their time', ['await this.#unpark(fsId, notes)', '{ jobs: 0, inHand: 0 }']),
  control('a job that is parked while somebody resumes stays parked', [
    'if (!(await this.isFilesystemPaused(fsId))) await',
    'if (fsId < 0) await',
  ]),
  control('a resume takes the note of a job that is just being parked', ["found[n] !== 'in-hand'", 'true']),
  control('a resume takes the note of a job that was parked again since', [
    "redis.call('HGET', KEYS[1], ARGV[n]) == ARGV[n + 1]",
    'true',
  ]),
  control('a parked job is not noted', [".hset(parked, job.id ?? '',", ".hset(parked, '',"]),
  control('the note of parked jobs stands for ever', ['.pexpire(parked, PARKED_LIFE_MS)', '']),
  control('a pause of the compact queue pauses the reap queue', ['if (options.reap) await', 'await']),
  control('a resume of everything that broke off is not finished by the next one', [
    ', ...(await this.#redis.smembers(this.#resumingKey))',
    '',
  ]),
  control('everything resumed leaves paused file systems', [
    'await this.resumeFilesystem(fsId);',
    '{ jobs: 0, resumed: true };',
  ]),
  control('a resume that met a job in hand counts as finished', ['if (inHand === 0) await', 'await']),
  control('a job that only waits keeps its note', [
    "state === 'active' || state === 'delayed' ? 'in-hand' : 'over'",
    "'in-hand'",
  ]),
  slot('a scan that another makes is made beside it', ['first !== undefined && first.id !== jobId', 'false']),
  slot('a scan takes itself for another', [' && first.id !== jobId', '']),
  slot('two scans that are taken at once leave it to each other', [
    'active.find((job) => job?.data?.fsId === fsId)',
    'active.find((job) => job?.data?.fsId === fsId && job.id !== jobId)',
  ]),
  slot('a plan whose next job is gone counts as planned', [
    "return place !== 'nothing';",
    'return place !== undefined;',
  ]),
  slot('keeping a plan changes the time between its scans', [
    'async keep(fsId: number, everyMs: number): Promise<boolean> {\n    return this.#plan(fsId, (known) => known !== undefined,',
    'async keep(fsId: number, everyMs: number): Promise<boolean> {\n    return this.#plan(fsId, (known) => known?.every === everyMs,',
  ]),
  bound('the bound of a command that is gone stands', [
    "set(this.#note, jobs, 'PX', this.#lifeMs);\n      await this.#apply",
    'set(this.#note, jobs);\n      await this.#apply',
  ]),
  bound('a worker takes the bound of another away', [
    'const wanted = said === 0 ? jobs : said;',
    'const wanted = jobs;',
  ]),
  bound('a bound that was lost is not set again', ['await this.#apply(wanted);\n      return', 'return']),
  shared('while the queue is away a process knows no limit', [
    'else if (this.#alone()) await this.#earn();',
    'else if (this.#alone()) this.#balance += 1e9;',
  ]),
  shared('while the queue is away each process takes the whole rate', ['perSecond / this.#members', 'perSecond / 1']),
  shared('the queue is never asked again', ['later(clock.monotonicMs(), ASK_AGAIN_MS)', 'Number.POSITIVE_INFINITY']),
  fault('processes that are gone are counted for ever', 'I8', {
    file: 'src/pace/redis-budget.ts',
    edits: [["redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])\n", '']],
  }),
  fault('a rate gives more than it has', 'I8', {
    file: 'src/pace/rate-limit.ts',
    edits: [['Math.min(this.#burst, this.#balance + earned)', 'this.#balance + earned']],
  }),
  fault('a request that failed keeps its place in flight', 'I8', {
    file: 'src/pace/in-flight-limit.ts',
    edits: [
      [
        'return await run();\n    } finally {\n      this.#inFlight--;\n      this.#serve();\n    }',
        'const value = await run();\n      this.#inFlight--;\n      this.#serve();\n      return value;\n    } finally {\n    }',
      ],
    ],
  }),
  fault('a store may stop us for as long as it says', 'I8', {
    file: 'src/pace/in-flight-limit.ts',
    edits: [['Math.min(HOLD_MAX_MS, retryAfterMs)', 'retryAfterMs']],
  }),
  fault('the limit falls to nothing', 'I8', {
    file: 'src/pace/adaptive-limit.ts',
    edits: [['Math.max(this.#floor, this.#limit * factor)', 'this.#limit * factor']],
  }),
  fault('whoever gives up waiting keeps its place in the line', 'I8', {
    file: 'src/pace/waiting-line.ts',
    edits: [['if (!this.#leave(place)) return;\n      // Nobody', 'this.#waits += 0;\n      // Nobody']],
  }),
  pool('a process that died is not started again', ['this.#timer = setTimeout(() => this.#start(), delayMs);', '']),
  pool('a process that dies again and again is started for ever', [
    'this.#youngDeaths > YOUNG_DEATHS_MAX',
    'this.#youngDeaths < 0',
  ]),
  pool('a server that is away ends the pool', [
    "const waiting = this.#refusal?.kind === 'retry';",
    'const waiting = false;',
  ]),
  pool('what a process that died has reported is kept for ever', [
    'void this.#options.counts.died(child.pid)',
    'void 0',
  ]),
  fault('of two processes that die at once one takes its counts along', 'I8', {
    file: 'src/observe/aggregate.ts',
    edits: [['this.#adding = this.#adding.then(', 'this.#adding = Promise.resolve().then(']],
  }),
  pool('a process that does not stop is not killed', ["killAfterMs))) child?.kill('SIGKILL')", 'killAfterMs))) child']),
  fault('a worker that stops begins a job that it was just taking', 'I8', {
    file: 'workers/outage-gate.ts',
    edits: [['      if (over.aborted) return false;\n', '']],
  }),
  pool('a process that hangs before it works is not watched', ['    this.#watchIt();\n', '']),
  fault('a process that is silent for good is left alone', 'I8 I9', {
    file: 'workers/processes/stuck-watch.ts',
    edits: [['if (this.#misses < MISSES_MAX) this.#ask();', 'if (true) this.#ask();']],
  }),
  fault('a process that answers is killed after two minutes', 'I8', {
    file: 'workers/processes/stuck-watch.ts',
    edits: [['this.#heard || late ? 0', 'late ? 0']],
  }),
  fault('whoever only looks notes ids', 'I8', {
    file: 'src/queue/id-ages.ts',
    edits: [["lookOnly ? '' : ", '']],
  }),
  fault('every run adds a note of ids', 'I8', {
    file: 'src/queue/id-ages.ts',
    edits: [['if first < #notes and at(#notes) -', 'if false and at(#notes) -']],
  }),
  fault('ids that were given out a moment ago count as old', 'I8', {
    file: 'src/queue/id-ages.ts',
    edits: [['return (notes[first] and at(first) <= now - ARGV[1] and', 'return (notes[first] and']],
  }),
  fault('a clock that was set back stops all notes of ids', 'I8', {
    file: 'src/queue/id-ages.ts',
    edits: [['if notes[1] and at(#notes) > now then', 'if false then']],
  }),
  fault('a note of ids that is in use is replaced', 'I8', {
    file: 'src/queue/id-ages.ts',
    edits: [['if first < #notes and at(#notes) -', 'if #notes > 1 and at(#notes) -']],
  }),
  fault('a scan that lost its lock goes on beside the one that has it', 'I8', {
    file: 'workers/running.ts',
    edits: [["worker.cancelJob(jobId, 'lock-lost');", '']],
  }),
];
