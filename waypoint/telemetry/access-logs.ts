// Writes the access logs that the resources ask for: one line each where its filter lets it pass. In: facts, and the chain's logs. Out: lines
// to where each log goes. Source: waypoint-telemetry.md §2.6.
import type { Attributes, Expression } from '../../common/expressions/expression.ts';
import type { AccessLog } from '../resources/logging-configuration.ts';
import { type LogCollector, standardLog } from '../resources/mesh-telemetry.ts';
import type { LogFacts } from './log-facts.ts';
import { encodeOtlpLog } from './otlp-record.ts';

export interface LogSink {
  /** @param line with its line feed */
  write(line: string): void;
}

export interface CollectorSinks {
  /** Never waits. */
  add(collector: LogCollector, record: Uint8Array): void;
  /** Those that are configured now. */
  keepOnly(collectors: readonly LogCollector[]): void;
}

export interface AccessLogsOptions {
  /** Where an access log goes, by path. */
  readonly output: (path: string) => LogSink;
  readonly collectors: CollectorSinks;
  /** In Istio's default format to standard output, where the resources ask for no log. */
  readonly accessLog: 'on' | 'off';
}

export interface AccessLogs {
  write(facts: LogFacts, logs: readonly AccessLog[]): void;
}

export function createAccessLogs({ output, collectors, accessLog }: AccessLogsOptions): AccessLogs {
  return {
    write(facts, logs) {
      const configured = logs.length === 0 && accessLog === 'on' ? [standardLog] : logs;
      for (const log of configured) {
        if (log.filter !== undefined && !isTrue(log.filter, facts.attributes)) continue;
        if (log.kind === 'file') output(log.path).write(`${log.write(facts)}\n`);
        else collectors.add(log.collector, encodeOtlpLog(facts, log, Date.now()));
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
