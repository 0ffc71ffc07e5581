// What one worker's thread has counted so far, in this thread's series. In: its batches. When the thread is lost, its gauges are taken
// back, and each connection that it had is counted as closed and failed, so that opened and closed agree again.

import { type BatchSink, createBatchSink } from '../../common/telemetry/batch-sink.ts';
import type { Recorder } from '../../common/telemetry/recorder.ts';
import { addOnce } from '../../common/telemetry/recorder.ts';
import type { SeriesBatch } from '../../common/telemetry/series-batch.ts';
import { tcpCounters } from '../../common/telemetry/tcp-reporter.ts';
import { ConnectionBalance, withFlag } from './living-connections.ts';

/** As for any connection that ends by a fault of ours. */
const lostFlag = 'CONNECT';

export class ShardAccount {
  readonly #recorder: Recorder;
  readonly #balance = new ConnectionBalance();
  readonly #sink: BatchSink;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
    this.#sink = createBatchSink({
      recorder,
      onCounted: (definition, values, amount) => this.#balance.counted(definition, values, amount),
    });
  }

  add(batch: SeriesBatch): void {
    this.#sink.add(batch);
  }

  /** It tells nothing more. */
  settleLost(): void {
    for (const living of this.#balance.living()) {
      const { closed, failed } = tcpCounters(living.labelNames);
      for (const counter of [closed, failed]) {
        addOnce(this.#recorder.counter(counter, withFlag(living, lostFlag)), living.count);
      }
    }
    this.#sink.close();
  }
}
