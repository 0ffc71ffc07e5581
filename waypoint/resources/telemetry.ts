// Reads a Telemetry resource's metrics and access logging. In: a Kubernetes object. Out: its overrides with expressions compiled once, and problems
// that name object and field. Source: waypoint-telemetry.md §2.1, §2.2.

import { parseDurationMs } from '../../common/config/duration.ts';
import { compileExpression, type Expression } from '../../common/expressions/expression.ts';
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import { type Attachment, parseAttachment } from './attachment.ts';

export type TagChange =
  | { readonly kind: 'remove' }
  /** `invalid` text drops a standard tag and adds no new one. */
  | { readonly kind: 'upsert'; readonly expression: Expression };

export interface MetricOverride {
  /** Short names as Istio's stats filter has them (`requests_total`), or all metrics. */
  readonly metric: string | 'all';
  readonly mode: 'client' | 'server' | 'both';
  readonly disabled: boolean | undefined;
  readonly tags: ReadonlyMap<string, TagChange>;
}

export interface MetricsEntry {
  readonly providers: readonly string[];
  readonly overrides: readonly MetricOverride[];
  readonly reportingIntervalMs: number | undefined;
}

export interface LoggingEntry {
  readonly providers: readonly string[];
  readonly mode: MetricOverride['mode'];
  readonly disabled: boolean | undefined;
  /** Undefined: every line. An `invalid` one lets no line pass. */
  readonly filter: Expression | undefined;
}

export interface TelemetryResource {
  readonly name: string;
  readonly namespace: string;
  readonly creationTimestamp: string;
  readonly attachment: Attachment;
  readonly metrics: readonly MetricsEntry[];
  readonly accessLogging: readonly LoggingEntry[];
}

export interface ParsedTelemetry {
  readonly telemetry: TelemetryResource | undefined;
  readonly problems: readonly ResourceProblem[];
}

const shortNames: Readonly<Record<string, string>> = {
  ALL_METRICS: 'all',
  REQUEST_COUNT: 'requests_total',
  REQUEST_DURATION: 'request_duration_milliseconds',
  REQUEST_SIZE: 'request_bytes',
  RESPONSE_SIZE: 'response_bytes',
  TCP_OPENED_CONNECTIONS: 'tcp_connections_opened_total',
  TCP_CLOSED_CONNECTIONS: 'tcp_connections_closed_total',
  TCP_SENT_BYTES: 'tcp_sent_bytes_total',
  TCP_RECEIVED_BYTES: 'tcp_received_bytes_total',
  GRPC_REQUEST_MESSAGES: 'request_messages_total',
  GRPC_RESPONSE_MESSAGES: 'response_messages_total',
};

const modes = { CLIENT_AND_SERVER: 'both', CLIENT: 'client', SERVER: 'server' } as const;

export function parseTelemetry(object: KubernetesObject): ParsedTelemetry {
  const spec = new Field('spec', object.spec);
  const problems: ResourceProblem[] = [];
  const report = ({ path, message, remedy }: MalformedField): void => {
    problems.push(problemWith(object, { severity: 'error', field: path, message, remedy }));
  };
  try {
    const { name, namespace, creationTimestamp } = object.metadata;
    const attachment = parseAttachment(spec, namespace);
    const metrics = spec
      .at('metrics')
      .items()
      .map((entry) => parseEntry(entry, report));
    const accessLogging = spec
      .at('accessLogging')
      .items()
      .map((entry) => parseLogging(entry, report));
    return { telemetry: { name, namespace, creationTimestamp, attachment, metrics, accessLogging }, problems };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    report(error);
    return { telemetry: undefined, problems };
  }
}

function parseEntry(entry: Field, report: (problem: MalformedField) => void): MetricsEntry {
  const interval = entry.at('reportingInterval');
  const reportingIntervalMs = interval.isAbsent ? undefined : parseDurationMs(interval.text());
  if (!interval.isAbsent && reportingIntervalMs === undefined) {
    report(interval.malformed('a duration', 'write for example 15s'));
  }
  return {
    providers: providersOf(entry),
    overrides: entry
      .at('overrides')
      .items()
      .map((override) => parseOverride(override, report)),
    reportingIntervalMs,
  };
}

function parseOverride(override: Field, report: (problem: MalformedField) => void): MetricOverride {
  const match = override.at('match');
  const tags = new Map<string, TagChange>();
  for (const [name, tag] of override.at('tagOverrides').entries()) {
    const change = parseTag(tag, report);
    if (change !== undefined) tags.set(name, change);
  }
  return {
    metric: metricOf(match),
    mode: modeOf(match),
    disabled: optionalFlag(override.at('disabled')),
    tags,
  };
}

function parseLogging(entry: Field, report: (problem: MalformedField) => void): LoggingEntry {
  const text = entry.at('filter').at('expression');
  const filter = text.text() === '' ? undefined : compileExpression(text.text());
  if (filter?.kind === 'invalid') {
    const message = `does not compile: ${filter.text}: ${filter.reason}`;
    report(new MalformedField(text.path, message, 'mend the CEL expression'));
  }
  const disabled = optionalFlag(entry.at('disabled'));
  return { providers: providersOf(entry), mode: modeOf(entry.at('match')), disabled, filter };
}

function providersOf(entry: Field): readonly string[] {
  return entry
    .at('providers')
    .items()
    .map((provider) => provider.at('name').requiredText());
}

function modeOf(match: Field): MetricOverride['mode'] {
  return modes[match.at('mode').oneOf(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER'] as const) ?? 'CLIENT_AND_SERVER'];
}

function optionalFlag(field: Field): boolean | undefined {
  return field.isAbsent ? undefined : field.flag();
}

function metricOf(match: Field): string {
  const custom = match.at('customMetric').text();
  if (custom !== '') return custom;
  const metric = match.at('metric').oneOf(Object.keys(shortNames));
  return shortNames[metric ?? 'ALL_METRICS'] ?? 'all';
}

function parseTag(tag: Field, report: (problem: MalformedField) => void): TagChange | undefined {
  const operation = tag.at('operation').oneOf(['UPSERT', 'REMOVE'] as const) ?? 'UPSERT';
  const value = tag.at('value');
  if (operation === 'REMOVE') {
    if (value.text() !== '') report(value.malformed('absent beside REMOVE', 'leave the value out'));
    return { kind: 'remove' };
  }
  if (value.text() === '') {
    report(value.malformed('a CEL expression', 'give the tag a value, or set operation: REMOVE'));
    return undefined;
  }
  const expression = compileExpression(value.text());
  if (expression.kind === 'invalid') {
    const message = `does not compile: ${expression.text}: ${expression.reason}`;
    report(new MalformedField(value.path, message, 'mend the CEL expression'));
  }
  return { kind: 'upsert', expression };
}
