// Watches a few paths of the Kubernetes API and says that something has changed there; what has is read anew by whoever is
// told. A watch that ends goes on from where it was; one that fails comes back after a growing pause.
import { type KubeConfig, Watch } from '@kubernetes/client-node';
import { retryDelay } from '../../common/identity/rotation-plan.ts';
import type { Logger } from '../../common/log.ts';

export interface WatchedPath {
  readonly path: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
}

export interface ClusterWatcher {
  start(): void;
  close(): void;
}

/** Below the library's own limit for silence. */
const watchSeconds = 25;
const longestPauseMs = 30_000;

export function createClusterWatcher(
  config: KubeConfig,
  paths: readonly WatchedPath[],
  onChange: () => void,
  log: Logger,
): ClusterWatcher {
  const watches = paths.map((watched) => watchPath(new Watch(config), watched, onChange, log));
  return {
    start() {
      for (const watch of watches) watch.start();
    },
    close() {
      for (const watch of watches) watch.close();
    },
  };
}

function watchPath(
  watch: Watch,
  { path, ...selectors }: WatchedPath,
  onChange: () => void,
  log: Logger,
): ClusterWatcher {
  let state: 'open' | 'closed' = 'open';
  let running: AbortController | undefined;
  let timer: NodeJS.Timeout | undefined;
  let resourceVersion: string | undefined;
  let failures = 0;

  function onEvent(type: string, object: unknown): void {
    failures = 0;
    // Expired versions end so (410 Gone): the next watch begins with what there is.
    resourceVersion = type === 'ERROR' ? undefined : (versionOf(object) ?? resourceVersion);
    if (type !== 'BOOKMARK') onChange();
  }

  function onEnd(error: unknown): void {
    if (state === 'closed') return;
    if (error === null || error === undefined) {
      again(gapMs);
      return;
    }
    failures += 1;
    resourceVersion = undefined;
    log.debug({ path, error }, 'watch failed');
    again(Math.min(retryDelay(failures, Math.random()), longestPauseMs));
  }

  function again(delayMs: number): void {
    timer = setTimeout(() => void open(), delayMs);
  }

  async function open(): Promise<void> {
    const query = { ...selectors, resourceVersion, allowWatchBookmarks: true, timeoutSeconds: watchSeconds };
    try {
      running = await watch.watch(path, query, onEvent, onEnd);
      if (state === 'closed') running.abort();
    } catch (error) {
      onEnd(error);
    }
  }

  return {
    start: () => void open(),
    close() {
      state = 'closed';
      clearTimeout(timer);
      running?.abort();
    },
  };
}

const gapMs = 100;

function versionOf(object: unknown): string | undefined {
  const metadata = typeof object === 'object' && object !== null && 'metadata' in object ? object.metadata : undefined;
  const found =
    typeof metadata === 'object' && metadata !== null && 'resourceVersion' in metadata
      ? metadata.resourceVersion
      : undefined;
  return typeof found === 'string' ? found : undefined;
}
