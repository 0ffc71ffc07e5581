// Writes the access logs that the resources ask for: one line each where its filter lets it pass. In: facts, and the chain's logs. Out: lines
// to where each log goes. Source: waypoint-telemetry.md §2.6.
import type { Attributes, Expression } from '../../common/expressions/expression.ts';
import type { AccessLog } from '../resources/logging-configuration.ts';
import { standardLog } from '../resources/mesh-telemetry.ts';
import type { LogFacts } from './log-facts.ts';

export interface LogSink {
  /** @param line with its line feed */
  write(line: string): void;
}

export interface AccessLogsOptions {
  /** Where an access log goes, by path. */
  readonly output: (path: string) => LogSink;
  /** In Istio's default format to standard output, whatever the resources say. */
  readonly accessLog: 'on' | 'off';
}

export interface AccessLogs {
  write(facts: LogFacts, logs: readonly AccessLog[]): void;
}

export function createAccessLogs({ output, accessLog }: AccessLogsOptions): AccessLogs {
  return {
    write(facts, logs) {
      const configured = logs.length === 0 && accessLog === 'on' ? [standardLog] : logs;
      for (const { path, write, filter } of configured) {
        if (filter === undefined || isTrue(filter, facts.attributes)) output(path).write(`${write(facts)}\n`);
      }
    },
  };
}

/** Envoy's filter: what cannot be evaluated, or is no boolean, lets no line pass. */
function isTrue(filter: Expression, attributes: Attributes): boolean {
  if (filter.kind === 'invalid') return false;
  const outcome = filter.evaluate(attributes);
  return outcome.kind === 'value' && outcome.value === true;
}
