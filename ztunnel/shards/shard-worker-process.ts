// A shard in a worker thread: what it needs is asked of the main thread, what it tells goes there (`shard-protocol.ts`).
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkloadCertificate } from '../../common/identity/certificate.ts';
import type { Identity } from '../../common/identity/identity.ts';
import { createLogging } from '../../common/logger.ts';
import type { DemandOutcome } from '../../common/mesh/mesh-demand.ts';
import { openSharedMesh } from '../../common/mesh/shared/shared-mesh.ts';
import { createBatchRecorder } from '../../common/telemetry/batch-recorder.ts';
import { createForwardedLines } from './forwarded-lines.ts';
import { failureOf, PendingCalls } from './pending-calls.ts';
import { createRemoteCertificates } from './remote-certificates.ts';
import { createShard } from './shard.ts';
import type { Answer, FromShard, ShardCall, ShardStart, ToShard } from './shard-protocol.ts';

/** Between two reports of what was counted; a scrape asks for its own. */
const seriesIntervalMs = 1_000;

const { config, mesh: memory, directives }: ShardStart = workerData;
const tell = (message: FromShard): void => parentPort?.postMessage(message);
const questions = new PendingCalls();
const lines = createForwardedLines((bundle, dropped) => tell({ kind: 'lines', lines: bundle, dropped }));
const logging = createLogging({ format: config.logFormat, directives, sink: lines });
const recorder = createBatchRecorder(() => performance.now(), config.series.maxSeries);
const mesh = openSharedMesh(memory);
const certificates = createRemoteCertificates({ ask: askCertificate, now: Date.now });
const demand = config.addresses === 'on-demand' ? { ask: askMesh } : undefined;
const shard = createShard({ config, mesh, demand, certificates, recorder, logging, sharing: 'shared' });

async function askCertificate(identity: Identity): Promise<WorkloadCertificate> {
  const question = { kind: 'certificate', identity } as const;
  const answer = await questions.begin((id) => tell({ kind: 'question', id, question }));
  if (answer.kind !== 'certificate') throw new TypeError(`a certificate was asked for, ${answer.kind} came`);
  return answer.certificate;
}

async function askMesh(names: readonly string[]): Promise<DemandOutcome> {
  const question = { kind: 'demand', names } as const;
  const answer = await questions.begin((id) => tell({ kind: 'question', id, question }));
  if (answer.kind !== 'demand') throw new TypeError(`names of the mesh were asked for, ${answer.kind} came`);
  return answer.outcome;
}

function tellSeries(): void {
  const batch = recorder.take();
  const { added, amounts, observed, gone } = batch;
  if (added.length + amounts.length + observed.length + gone.length > 0) tell({ kind: 'series', batch });
}

async function perform(call: ShardCall): Promise<Answer> {
  switch (call.kind) {
    case 'start-pod':
      await shard.startPod(call.pod);
      return { kind: 'done' };
    case 'stop-pod':
      await shard.stopPod(call.uid);
      return { kind: 'done' };
    case 'proxies':
      return { kind: 'proxies', proxies: await shard.proxies() };
    case 'series':
      tellSeries();
      return { kind: 'done' };
    case 'drain':
      await shard.drain(call.deadlineMs);
      return finish();
    case 'close':
      await shard.close();
      return finish();
  }
}

/** The last it tells. */
function finish(): Answer {
  tellSeries();
  lines.flush();
  return { kind: 'done' };
}

parentPort?.on('message', (message: ToShard) => {
  switch (message.kind) {
    case 'call':
      perform(message.call)
        .catch(failureOf)
        .then((answer) => tell({ kind: 'answer', id: message.id, answer }));
      break;
    case 'answer':
      questions.settle(message.id, message.answer);
      break;
    case 'mesh-changed':
      mesh.announce(message.change);
      break;
    case 'levels':
      logging.apply(message.directives);
      break;
    case 'objects':
      shard.useObjects(message.objects);
      break;
    case 'revocations':
      shard.useRevocations(message.lists);
      break;
    case 'lines-taken':
      lines.taken(message.length);
  }
});
setInterval(tellSeries, seriesIntervalMs).unref();
tell({ kind: 'ready' });
