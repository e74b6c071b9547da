/**
 * The reads of several blocks under one bound: whenever one ends, the next one of the oldest block begins, so that blocks
 * are finished, and their memory given back, one after the other. There may be a hundred thousand reads: none of them waits
 * as a promise of its own. It must not know what a read does.
 */

/** The reads of one block: `direct` ones at any time, the others (they share one buffer) one after the other. */
interface BlockReads<Read> {
  readonly direct: readonly Read[];
  readonly inTurn: readonly Read[];
  readonly run: (read: Read) => Promise<void>;
}

export class ReadPump<Read> {
  readonly #readsMax: number;
  readonly #blocks: Progress<Read>[] = [];
  #running = 0;

  constructor(readsMax: number) {
    this.#readsMax = readsMax;
  }

  /** Ends when no read of the block is under way; rejects with the first failure, after which none is begun. */
  readAll(reads: BlockReads<Read>): Promise<void> {
    if (reads.direct.length + reads.inTurn.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#blocks.push({ ...reads, nextDirect: 0, nextInTurn: 0, turnTaken: false, running: 0, resolve, reject });
      this.#fill();
    });
  }

  #fill(): void {
    for (let n = 0; n < this.#blocks.length && this.#running < this.#readsMax; ) {
      const block = this.#blocks[n];
      if (block === undefined || !this.#beginOne(block)) n++;
    }
  }

  /** `false` when the block has no read that may begin now. */
  #beginOne(block: Progress<Read>): boolean {
    if (block.failure !== undefined) return false;
    const inTurn = block.turnTaken ? undefined : block.inTurn[block.nextInTurn];
    const read = inTurn ?? block.direct[block.nextDirect];
    if (read === undefined) return false;
    if (inTurn === undefined) block.nextDirect++;
    else {
      block.nextInTurn++;
      block.turnTaken = true;
    }
    block.running++;
    this.#running++;
    block.run(read).then(
      () => this.#ended(block, inTurn !== undefined),
      (error: unknown) => {
        block.failure ??= { error };
        this.#ended(block, inTurn !== undefined);
      },
    );
    return true;
  }

  #ended(block: Progress<Read>, wasInTurn: boolean): void {
    if (wasInTurn) block.turnTaken = false;
    block.running--;
    this.#running--;
    const { failure, direct, inTurn } = block;
    const allBegun = block.nextDirect === direct.length && block.nextInTurn === inTurn.length;
    if (block.running === 0 && (allBegun || failure !== undefined)) {
      this.#blocks.splice(this.#blocks.indexOf(block), 1);
      if (failure === undefined) block.resolve();
      else block.reject(failure.error);
    }
    this.#fill();
  }
}

interface Progress<Read> extends BlockReads<Read> {
  nextDirect: number;
  nextInTurn: number;
  turnTaken: boolean;
  running: number;
  failure?: { readonly error: unknown };
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}
