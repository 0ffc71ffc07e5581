// A line log whose lines are kept as objects, for tests that assert what was said.
import { createLineLog, type LineLog } from '../../common/line-log.ts';

export interface CollectedLines {
  readonly log: LineLog;
  /** Without their time. */
  readonly lines: readonly Record<string, unknown>[];
}

export function collectLines(): CollectedLines {
  const lines: Record<string, unknown>[] = [];
  const write = (text: string): void => {
    const { time: _, ...line }: Record<string, unknown> = JSON.parse(text);
    lines.push(line);
  };
  return { log: createLineLog({ format: 'json', scope: 'access', isLevelEnabled: () => true, write }), lines };
}
