// What the main thread and a worker say to each other. Calls and questions have numbers and are answered once each; the rest is
// told. Order is kept: what a shard has told before an answer is there before it. Key material passes in an answer, and stays in memory.
import type { ProxyState } from '../../common/admin/config-dump.ts';
import type { MeshErrorCode } from '../../common/errors.ts';
import type { WorkloadCertificate } from '../../common/identity/certificate.ts';
import type { Identity } from '../../common/identity/identity.ts';
import type { RevocationList } from '../../common/identity/revocation-list.ts';
import type { LevelDirectives } from '../../common/log-levels.ts';
import type { DemandOutcome } from '../../common/mesh/mesh-demand.ts';
import type { MeshChange } from '../../common/mesh/mesh-view.ts';
import type { MeshMemory } from '../../common/mesh/shared/mesh-memory.ts';
import type { KubernetesObject } from '../../common/sources/kubernetes-object.ts';
import type { SeriesBatch } from '../../common/telemetry/series-batch.ts';
import type { ZtunnelConfig } from '../config.ts';
import type { Pod } from '../inpod/pod.ts';

/** What a worker gets to begin with. */
export interface ShardStart {
  /** Logs and limits are this shard's part of the whole. */
  readonly config: ZtunnelConfig;
  readonly mesh: MeshMemory;
  readonly directives: LevelDirectives;
}

export type ToShard =
  | { readonly kind: 'call'; readonly id: number; readonly call: ShardCall }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  /** The mesh's memory has changed already. */
  | { readonly kind: 'mesh-changed'; readonly change: MeshChange }
  | { readonly kind: 'levels'; readonly directives: LevelDirectives }
  | { readonly kind: 'objects'; readonly objects: readonly KubernetesObject[] }
  | { readonly kind: 'revocations'; readonly lists: readonly RevocationList[] }
  /** So many characters of log lines are out of the way: as many more may come. */
  | { readonly kind: 'lines-taken'; readonly length: number };

export type ShardCall =
  | { readonly kind: 'start-pod'; readonly pod: Pod }
  | { readonly kind: 'stop-pod'; readonly uid: string }
  | { readonly kind: 'proxies' }
  /** Tells the series that have changed. */
  | { readonly kind: 'series' }
  | { readonly kind: 'drain'; readonly deadlineMs: number }
  | { readonly kind: 'close' };

export type FromShard =
  /** It takes calls. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'question'; readonly id: number; readonly question: ShardQuestion }
  | { readonly kind: 'series'; readonly batch: SeriesBatch }
  /** Log lines as they are to be written, and how many found no room since the last time. */
  | { readonly kind: 'lines'; readonly lines: readonly string[]; readonly dropped: number };

export type ShardQuestion =
  | { readonly kind: 'certificate'; readonly identity: Identity }
  /** See `MeshDemand`. */
  | { readonly kind: 'demand'; readonly names: readonly string[] };

export type Answer =
  | { readonly kind: 'done' }
  | { readonly kind: 'proxies'; readonly proxies: readonly ProxyState[] }
  | { readonly kind: 'certificate'; readonly certificate: WorkloadCertificate }
  | { readonly kind: 'demand'; readonly outcome: DemandOutcome }
  | { readonly kind: 'failed'; readonly code: MeshErrorCode; readonly message: string };
