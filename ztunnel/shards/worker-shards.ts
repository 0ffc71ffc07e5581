// Several shards, each in a worker thread, under the main thread, which keeps what is one for all: the mesh, certificates, the
// metrics page and the log. In: those. Out: shards, with word of every change passed to each, and what they tell put in its place.
import type { CertificateSource } from '../../common/identity/certificate.ts';
import type { LevelDirectives } from '../../common/log-levels.ts';
import type { Logging } from '../../common/logger.ts';
import type { MeshDemand } from '../../common/mesh/mesh-demand.ts';
import type { MeshChange } from '../../common/mesh/mesh-view.ts';
import type { SharedMesh } from '../../common/mesh/shared/shared-mesh.ts';
import type { MetricDefinition, Recorder } from '../../common/telemetry/recorder.ts';
import type { ZtunnelConfig } from '../config.ts';
import { inTime } from './in-time.ts';
import { RestartingShard } from './restarting-shard.ts';
import { ShardAccount } from './shard-account.ts';
import type { Answer, ShardQuestion, ShardStart } from './shard-protocol.ts';
import { startShardThread } from './shard-thread-process.ts';

export interface WorkerShardsOptions {
  readonly config: ZtunnelConfig;
  readonly mesh: SharedMesh;
  /** Where the mesh is known in parts only. */
  readonly demand: MeshDemand | undefined;
  readonly certificates: CertificateSource;
  readonly recorder: Recorder;
  readonly logging: Logging;
}

export interface WorkerShards {
  readonly list: readonly RestartingShard[];
  useLevels(directives: LevelDirectives): void;
  /** What was counted until now is in the recorder, of every shard that answers in time. */
  collect(): Promise<void>;
  /** Log lines that found no room on their way here. */
  droppedLines(): number;
  /** The shards have ended. */
  close(): void;
}

const shardCount: MetricDefinition = {
  name: 'ambientd_shards',
  help: 'The number of threads that carry connections (unstable)',
  kind: 'gauge',
  labelNames: [],
};

const restarts: MetricDefinition = {
  name: 'ambientd_shard_restarts_total',
  help: 'The number of shards that ended unasked and were begun again (unstable)',
  kind: 'counter',
  labelNames: [],
};

/** A shard that is busy is shown with what it told last. */
const collectMs = 500;
/** A shard that answers nothing for so long is ended, and begun again. */
const silenceMs = 30_000;

export function createWorkerShards(options: WorkerShardsOptions): WorkerShards {
  const { config, mesh, recorder } = options;
  recorder.gauge(shardCount, []).add(config.workerThreads);
  const lost = recorder.counter(restarts, []);
  let droppedLines = 0;
  const list = Array.from({ length: config.workerThreads }, (_, number) =>
    startShard(`shard-${number + 1}`, options, {
      onLost: () => lost.add(1),
      onDropped: (lines) => {
        droppedLines += lines;
      },
    }),
  );
  const tellAll = (message: Parameters<RestartingShard['tell']>[0]): void => {
    for (const shard of list) shard.tell(message);
  };
  const unsubscribe = mesh.onChange(together((change) => tellAll({ kind: 'mesh-changed', change })));
  const watch = setInterval(() => list.forEach(endIfSilent), silenceMs).unref();
  return {
    list,
    useLevels: (directives) => tellAll({ kind: 'levels', directives }),
    collect: () => inTime(Promise.all(list.map((shard) => shard.tellSeries())), collectMs).then(() => {}),
    droppedLines: () => droppedLines,
    close() {
      unsubscribe();
      clearInterval(watch);
    },
  };
}

interface ShardEvents {
  readonly onLost: () => void;
  readonly onDropped: (lines: number) => void;
}

function startShard(name: string, options: WorkerShardsOptions, events: ShardEvents): RestartingShard {
  const { config, mesh, demand, certificates, recorder, logging } = options;
  const failureLines = Math.ceil(config.failureLines / config.workerThreads);
  const output = logging.output('/dev/stdout');
  let account = new ShardAccount(recorder);

  async function answer(question: ShardQuestion): Promise<Answer> {
    if (question.kind === 'certificate') {
      return { kind: 'certificate', certificate: await certificates.get(question.identity) };
    }
    return { kind: 'demand', outcome: (await demand?.ask(question.names)) ?? { kind: 'answered' } };
  }
  function writeLines(lines: readonly string[]): void {
    let length = 0;
    for (const line of lines) {
      output.write(line);
      length += line.length;
    }
    shard.tell({ kind: 'lines-taken', length });
  }
  const startThread = (onEnd: (reason: string) => void) => {
    const directives = logging.directives;
    const start: ShardStart = { config: { ...config, failureLines }, mesh: mesh.memory, directives };
    return startShardThread(name, start, {
      answer,
      onEnd,
      onTold(message) {
        if (message.kind === 'series') return account.add(message.batch);
        events.onDropped(message.dropped);
        writeLines(message.lines);
      },
    });
  };
  const onLost = (): void => {
    events.onLost();
    account.settleLost();
    account = new ShardAccount(recorder);
  };
  const shard = new RestartingShard({ name, startThread, onLost, log: logging.logger('proxy') });
  return shard;
}

async function endIfSilent(shard: RestartingShard): Promise<void> {
  const outcome = await inTime(shard.tellSeries(), silenceMs);
  if (outcome === 'late') await shard.kill();
}

/** One word for the changes of one turn of the event loop. */
function together(tell: (change: MeshChange) => void): (change: MeshChange) => void {
  let gathered: MeshChange | undefined;
  return (change) => {
    if (gathered === undefined) {
      setImmediate(() => {
        const told = gathered;
        gathered = undefined;
        if (told !== undefined) tell(told);
      });
    }
    gathered = {
      servicesChanged: change.servicesChanged || gathered?.servicesChanged === true,
      workloadsChanged: change.workloadsChanged || gathered?.workloadsChanged === true,
      policiesChanged: change.policiesChanged || gathered?.policiesChanged === true,
    };
  };
}
