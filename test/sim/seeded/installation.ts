/** What an installation remembers of itself beside its queue, in memory. It holds no policy. */
import type { Installation } from '../../../src/reap/bucket-owner.ts';

export class MemoryInstallation implements Installation {
  readonly #name: string;
  readonly #servers = new Map<string, string>();
  readonly #proven = new Set<string>();
  #id: string | null = null;

  constructor(name: string) {
    this.#name = name;
  }

  async id(): Promise<string | null> {
    return this.#id;
  }

  async makeId(): Promise<string> {
    this.#id ??= this.#name;
    return this.#id;
  }

  async proven(): Promise<ReadonlySet<string>> {
    return this.#proven;
  }

  async addProven(id: string): Promise<void> {
    this.#proven.add(id);
  }

  async server(storeId: string): Promise<string | null> {
    return this.#servers.get(storeId) ?? null;
  }

  async setServer(storeId: string, server: string): Promise<void> {
    this.#servers.set(storeId, server);
  }
}
