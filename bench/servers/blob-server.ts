/**
 * An object server that costs next to nothing, in a process of its own: HTTP/1.1 by hand on sockets, no signatures, no
 * storage. Every object exists and is made of the same bytes; what is written is counted and dropped; a batch delete
 * deletes all it names. So what is measured against it is the client. It must not be used where bytes matter.
 */
import { createServer, type Socket } from 'node:net';

/** Longest range that can be read. */
const CONTENT_BYTES = 64 * 1024 * 1024;
/** Differs at every place of a KiB, so that a shifted range would show. */
const content = Buffer.alloc(CONTENT_BYTES, Buffer.from(Array.from({ length: 1021 }, (_, n) => (n * 7) % 251)));
const OK = Buffer.from('HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 0\r\n\r\n');
/** To HEAD: every object is a block of 4 MiB. */
const THERE = Buffer.from('HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: 4194304\r\n\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');

const tally = { gets: 0, puts: 0, deletes: 0, namesDeleted: 0 };

class Connection {
  readonly #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  /** Of the request body that is coming. */
  #bodyLeft = 0;
  /** Of a batch delete: its body so far. */
  #batch: Buffer[] | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => this.#take(piece));
  }

  #take(data: Buffer): void {
    let piece = data;
    while (piece.length > 0) {
      if (this.#bodyLeft > 0) {
        const body = piece.subarray(0, this.#bodyLeft);
        this.#batch?.push(body);
        this.#bodyLeft -= body.length;
        piece = piece.subarray(body.length);
        if (this.#bodyLeft === 0) this.#socket.write(this.#batch === undefined ? OK : deleted(this.#batch));
        continue;
      }
      const all = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece]);
      const end = all.indexOf(HEAD_END);
      this.#pending = end === -1 ? all : Buffer.alloc(0);
      if (end === -1) return;
      this.#request(all.toString('latin1', 0, end));
      piece = all.subarray(end + HEAD_END.length);
    }
  }

  #request(head: string): void {
    if (head.startsWith('GET /tally')) this.#text(JSON.stringify({ ...tally, cpu: process.cpuUsage() }));
    else if (head.startsWith('GET ')) this.#get(head);
    else if (head.startsWith('HEAD ')) this.#socket.write(THERE);
    else this.#upload(head);
  }

  #upload(head: string): void {
    this.#batch = head.startsWith('POST ') ? [] : undefined;
    if (this.#batch === undefined) tally.puts++;
    else tally.deletes++;
    this.#bodyLeft = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#bodyLeft === 0) this.#socket.write(OK);
  }

  #get(head: string): void {
    tally.gets++;
    const match = /\r\nrange: *bytes=(\d+)-(\d+)/i.exec(head);
    const begin = Number(match?.[1] ?? 0);
    const end = Number(match?.[2] ?? 0) + 1;
    const from = begin % (CONTENT_BYTES / 2);
    this.#socket.cork();
    this.#socket.write(
      `HTTP/1.1 206 Partial Content\r\nETag: "x"\r\nContent-Range: bytes ${begin}-${end - 1}/*\r\nContent-Length: ${end - begin}\r\n\r\n`,
      'latin1',
    );
    this.#socket.write(content.subarray(from, from + end - begin));
    this.#socket.uncork();
  }

  #text(text: string): void {
    this.#socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }
}

/** The answer to a batch: all of it is deleted. */
function deleted(body: readonly Buffer[]): string {
  const keys =
    Buffer.concat(body)
      .toString()
      .match(/<Key>[^<]*<\/Key>/g) ?? [];
  tally.namesDeleted += keys.length;
  const text = `<DeleteResult>${keys.map((key) => `<Deleted>${key}</Deleted>`).join('')}</DeleteResult>`;
  return `HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
}

const server = createServer((socket) => {
  new Connection(socket);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) process.send?.({ port: address.port });
});
process.on('disconnect', () => process.exit());
