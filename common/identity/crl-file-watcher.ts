// Reads a file of revocation lists, and again when its folder tells of a change, two seconds later: a mounted ConfigMap changes by links,
// in several steps (ztunnel.md §7). In: the path. Out: the lists; while the file is missing or wrong, those before it hold.
import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Runnable } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import { maxRevocationFileBytes, readRevocationLists } from './crl-codec.ts';
import type { RevocationList } from './revocation-list.ts';

export interface CrlFileWatcherOptions {
  readonly path: string;
  /** Before `start` resolves, if the file can be used; then after each change. */
  readonly onLists: (lists: readonly RevocationList[]) => void;
  readonly log: Logger;
  /** Between the first word of a change and the reading. Default 2 000. */
  readonly settleMs?: number;
  /** Between two looks at the file without any word: for folders that come later, and file systems that do not notify. Default 30 000. */
  readonly lookMs?: number;
}

export function createCrlFileWatcher(options: CrlFileWatcherOptions): Runnable {
  return new CrlFile(options);
}

class CrlFile implements Runnable {
  readonly #options: CrlFileWatcherOptions;
  #state: 'watching' | 'closed' = 'watching';
  #folder: FSWatcher | undefined;
  #settling: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();
  /** Of what was read last. */
  #digest = '';
  /** Why it could not be read, while it cannot. */
  #failure = '';
  #uses: 'no lists' | 'lists' = 'no lists';

  constructor(options: CrlFileWatcherOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    // Before the first reading, so that no change is missed.
    this.#watchFolder();
    await this.#read();
    if (this.#state === 'closed') return;
    const { lookMs = 30_000 } = this.#options;
    this.#looking = setInterval(() => this.#look(), lookMs);
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {
    this.#state = 'closed';
    clearTimeout(this.#settling);
    clearInterval(this.#looking);
    this.#folder?.close();
    await this.#reading;
  }

  #watchFolder(): void {
    if (this.#folder !== undefined || this.#state === 'closed') return;
    try {
      const folder = watch(dirname(this.#options.path), () => this.#readSoon());
      folder.on('error', () => {
        folder.close();
        this.#folder = undefined;
      });
      this.#folder = folder;
    } catch {
      // There is no such folder yet, or no watch left: the slow look sees changes.
    }
  }

  #look(): void {
    this.#watchFolder();
    void this.#read();
  }

  #readSoon(): void {
    if (this.#state === 'closed') return;
    const { settleMs = 2_000 } = this.#options;
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      void this.#read();
    }, settleMs);
  }

  #read(): Promise<void> {
    this.#reading = this.#reading.then(async () => {
      try {
        this.#take(await readBounded(this.#options.path));
      } catch (error) {
        this.#failed(error instanceof Error ? error.message : String(error));
      }
    });
    return this.#reading;
  }

  /** @throws MeshError RESOURCE_INVALID, once for the same bytes */
  #take(bytes: Buffer): void {
    const { path, log, onLists } = this.#options;
    this.#failure = '';
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (this.#state === 'closed' || this.#digest === digest) return;
    this.#digest = digest;
    const lists = readRevocationLists(bytes);
    const certificates = lists.reduce((sum, { serialNumbers }) => sum + serialNumbers.size, 0);
    log.info({ path, lists: lists.length, certificates }, 'revocation lists read');
    this.#uses = 'lists';
    onLists(lists);
  }

  #failed(reason: string): void {
    if (this.#state === 'closed' || this.#failure === reason) return;
    this.#failure = reason;
    const { path, log } = this.#options;
    const outcome = this.#uses === 'lists' ? 'the lists before it hold' : 'no certificate counts as revoked';
    log.warn({ path, error: reason }, `revocation lists of ${path} cannot be used: until they can, ${outcome}`);
  }
}

async function readBounded(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > maxRevocationFileBytes) throw new RangeError(`it is larger than ${maxRevocationFileBytes} bytes`);
  return await readFile(path);
}
