// Logs each problem once when it appears, and once more when it has been mended.
// The full list of problems in, log lines out; holds what is already known.
import type { Logger } from '../../log.ts';
import { formatResourceProblem, type ResourceProblem } from '../resource-problem.ts';

const levels = { error: 'error', warning: 'warn', note: 'info' } as const;

export interface ProblemLog {
  /** @returns whether anything is new or mended */
  report(problems: readonly ResourceProblem[]): boolean;
}

export function createProblemLog(log: Logger): ProblemLog {
  let known = new Map<string, ResourceProblem>();
  return {
    report(problems) {
      const current = new Map(problems.map((problem) => [formatResourceProblem(problem), problem]));
      let isChanged = false;
      for (const [text, { severity }] of current) {
        if (known.has(text)) continue;
        isChanged = true;
        log[levels[severity]](text);
      }
      for (const [text, { severity }] of known) {
        if (current.has(text)) continue;
        isChanged = true;
        if (severity === 'error') log.info({ problem: text }, 'problem mended');
      }
      known = current;
      return isChanged;
    },
  };
}
