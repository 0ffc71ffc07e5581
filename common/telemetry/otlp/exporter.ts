// Sends encoded records to one collector, in batches and one call at a time: traffic never waits for it, what finds no room is dropped and
// counted, and a collector that is away is asked again with growing delays. In: records, a way to call. Out: counts; one line when it fails, one when it works again.
import type { Logger } from '../../log.ts';
import { type ExportAnswer, type ExportPlan, planExport } from './export-plan.ts';
import { batchBounds, ExportQueue, queueBounds } from './export-queue.ts';
import { encodeExportRequest, type OtlpAttributes } from './otlp-codec.ts';

/** Each record is told of once. */
export type ExportOutcome = 'exported' | 'no-room' | 'refused';

export interface ExporterOptions {
  readonly resource: OtlpAttributes;
  readonly scope: string;
  /** One export call. Never rejects. */
  readonly send: (request: Buffer) => Promise<ExportAnswer>;
  readonly count: (outcome: ExportOutcome, records: number) => void;
  /** Whose collector it is, for the log. */
  readonly name: string;
  readonly log: Logger;
  /** In [0, 1). */
  readonly random: () => number;
  /** How long records wait for others; default one second. */
  readonly gatherMs?: number;
}

export interface Exporter {
  add(record: Uint8Array): void;
  /** Sends what waits, for as long as the time allows (milliseconds from now), then ends. */
  drain(deadlineMs: number): Promise<void>;
  /** What still waits is counted as dropped. */
  close(): void;
}

const defaultGatherMs = 1_000;

export function createExporter(options: ExporterOptions): Exporter {
  return new BatchExporter(options);
}

type State =
  /** Until the timer fires, or a batch is full. */
  | { readonly kind: 'gathering'; readonly timer: NodeJS.Timeout | undefined }
  | { readonly kind: 'sending'; readonly batch: readonly Uint8Array[] }
  | { readonly kind: 'waiting'; readonly batch: readonly Uint8Array[]; readonly timer: NodeJS.Timeout }
  | { readonly kind: 'closed' };

class BatchExporter implements Exporter {
  readonly #options: ExporterOptions;
  readonly #queue = new ExportQueue(queueBounds);
  #state: State = { kind: 'gathering', timer: undefined };
  #delayMs = 0;
  #health: 'working' | 'failing' = 'working';
  #onIdle: (() => void) | undefined;

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  add(record: Uint8Array): void {
    if (this.#state.kind === 'closed' || this.#queue.add(record) === 'full') {
      this.#options.count('no-room', 1);
      return;
    }
    if (this.#state.kind !== 'gathering') return;
    if (this.#queue.hasBatch(batchBounds)) this.#sendNext();
    else if (this.#state.timer === undefined) this.#gather();
  }

  drain(deadlineMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.close();
        resolve();
      };
      const timer = setTimeout(end, deadlineMs);
      this.#onIdle = end;
      if (this.#state.kind === 'gathering') this.#sendNext();
    });
  }

  close(): void {
    const state = this.#state;
    if (state.kind === 'closed') return;
    if (state.kind === 'gathering' || state.kind === 'waiting') clearTimeout(state.timer);
    this.#state = { kind: 'closed' };
    const left = this.#queue.size + ('batch' in state ? state.batch.length : 0);
    if (left > 0) this.#options.count('no-room', left);
  }

  #gather(): void {
    const timer = setTimeout(() => this.#sendNext(), this.#options.gatherMs ?? defaultGatherMs).unref();
    this.#state = { kind: 'gathering', timer };
  }

  #sendNext(): void {
    if (this.#state.kind === 'gathering') clearTimeout(this.#state.timer);
    const batch = this.#queue.takeBatch(batchBounds);
    if (batch.length > 0) {
      this.#send(batch);
      return;
    }
    this.#state = { kind: 'gathering', timer: undefined };
    this.#onIdle?.();
  }

  #send(batch: readonly Uint8Array[]): void {
    const { resource, scope, send, random } = this.#options;
    this.#state = { kind: 'sending', batch };
    void send(encodeExportRequest(resource, scope, batch)).then((answer) => {
      if (this.#state.kind === 'sending') this.#finish(batch, planExport(answer, this.#delayMs, random()), answer);
    });
  }

  #finish(batch: readonly Uint8Array[], plan: ExportPlan, answer: ExportAnswer): void {
    this.#tell(plan, answer, batch.length);
    if (plan.kind === 'again') {
      this.#delayMs = plan.delayMs;
      this.#state = { kind: 'waiting', batch, timer: setTimeout(() => this.#send(batch), plan.delayMs).unref() };
      return;
    }
    const lost = plan.kind === 'done' ? Math.min(plan.lost, batch.length) : batch.length;
    if (lost > 0) this.#options.count('refused', lost);
    if (lost < batch.length) this.#options.count('exported', batch.length - lost);
    this.#delayMs = 0;
    this.#continue();
  }

  #continue(): void {
    const isDraining = this.#onIdle !== undefined;
    if (isDraining || this.#queue.size === 0 || this.#queue.hasBatch(batchBounds)) this.#sendNext();
    else this.#gather();
  }

  #tell(plan: ExportPlan, answer: ExportAnswer, records: number): void {
    const { log, name } = this.#options;
    const lost = plan.kind === 'done' ? plan.lost : records;
    if (plan.kind === 'done' && lost === 0) {
      if (this.#health === 'failing') log.info({ collector: name }, 'collector takes records again');
      this.#health = 'working';
      return;
    }
    if (this.#health === 'failing') return;
    this.#health = 'failing';
    const error = answer.kind === 'failed' ? answer.reason : answer.message;
    log.warn({ collector: name, error, records: lost }, whatFails[plan.kind]);
  }
}

const whatFails = {
  done: 'collector refused records',
  'given-up': 'collector refused records',
  again: 'collector does not answer; its records wait, and what finds no room is dropped',
} as const;
