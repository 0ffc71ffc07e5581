// A logger that keeps its lines, for tests that say what is told and how often.
import type { Logger } from '../../../../common/log.ts';

export interface RecordedLine {
  readonly level: string;
  readonly text: string;
}

export function recordingLog(): Logger & { readonly lines: readonly RecordedLine[] } {
  const lines: RecordedLine[] = [];
  const at =
    (level: string) =>
    (...parts: readonly unknown[]): void => {
      lines.push({ level, text: parts.map(String).join(' ') });
    };
  const log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    isLevelEnabled: () => true,
  };
  const recording = { ...log, lines, child: () => recording };
  return recording as unknown as Logger & { readonly lines: readonly RecordedLine[] };
}
