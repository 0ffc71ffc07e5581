// What MeshConfig says of telemetry: providers by name, which of them are the default, and the older access log settings. In: ConfigMap
// `istio`, key `mesh`. Out: the settings, and problems that name the field. Source: waypoint-telemetry.md §2.9, §6.1.
import { parse } from 'yaml';
import { Field, MalformedField } from '../../common/sources/field.ts';
import { type KubernetesObject, problemWith } from '../../common/sources/kubernetes-object.ts';
import type { ResourceProblem } from '../../common/sources/resource-problem.ts';
import {
  type AbsentValues,
  type CompiledFormat,
  compileFormat,
  defaultJsonFormat,
  defaultTextFormat,
  type JsonFormat,
  type LogTemplate,
} from '../telemetry/log-format.ts';

export type LogWriter = Extract<CompiledFormat, { kind: 'format' }>['write'];

export type Provider =
  | { readonly kind: 'prometheus' }
  | { readonly kind: 'file'; readonly path: string; readonly write: LogWriter }
  | {
      readonly kind: 'otlp';
      readonly collector: LogCollector;
      readonly body: LogWriter;
      readonly attributes: LogAttributes;
    }
  /** Of a kind that is not served here. */
  | { readonly kind: 'other' };

/** Where OTLP logs go (`envoyOtelAls`). */
export interface LogCollector {
  /** Of its provider, as it is written. */
  readonly name: string;
  /** The service's; undefined: whichever of that hostname can be seen. */
  readonly namespace: string | undefined;
  readonly hostname: string;
  readonly port: number;
  readonly logName: string;
}

/** In the order of their names. */
export type LogAttributes = readonly (readonly [name: string, write: LogWriter])[];

export interface MeshTelemetry {
  /** By name in lower case. */
  readonly providers: ReadonlyMap<string, Provider>;
  readonly defaultMetrics: readonly string[];
  readonly defaultLogs: readonly string[];
  /** `accessLogFile`: where access logs go when neither a Telemetry nor a default provider says anything of them. */
  readonly legacyLog: Extract<Provider, { kind: 'file' }> | undefined;
}

const defaultPath = '/dev/stdout';
const standardTemplate: LogTemplate = { kind: 'text', text: defaultTextFormat };
const standardWriter = compiled(standardTemplate, 'marked');

function compiled(template: LogTemplate, absent: AbsentValues): LogWriter {
  const format = compileFormat(template, absent);
  if (format.kind === 'invalid') throw new Error(format.reason);
  return format.write;
}

/** Istio's default format on standard output. */
export const standardLog = { kind: 'file', path: defaultPath, write: standardWriter, filter: undefined } as const;

export const defaultMeshTelemetry: MeshTelemetry = {
  providers: new Map<string, Provider>([
    ['prometheus', { kind: 'prometheus' }],
    ['envoy', standardLog],
  ]),
  defaultMetrics: ['prometheus'],
  defaultLogs: [],
  legacyLog: undefined,
};

/** Is this the mesh's configuration? */
export function isMeshConfig({ kind, metadata }: KubernetesObject, rootNamespace: string): boolean {
  return kind === 'ConfigMap' && metadata.name === 'istio' && metadata.namespace === rootNamespace;
}

export function parseMeshTelemetry(object: KubernetesObject): {
  readonly mesh: MeshTelemetry;
  readonly problems: readonly ResourceProblem[];
} {
  const problems: ResourceProblem[] = [];
  const report = ({ path, message, remedy }: MalformedField): void => {
    problems.push(problemWith(object, { severity: 'error', field: path, message, remedy }));
  };
  try {
    const text = new Field('', object.raw).at('data').at('mesh').text();
    return { mesh: readMesh(new Field('data.mesh', parse(text, { maxAliasCount: 100 })), report), problems };
  } catch (error) {
    // The mesh's own reader of this text tells of a mistake in its YAML.
    if (error instanceof MalformedField) report(error);
    return { mesh: defaultMeshTelemetry, problems };
  }
}

function readMesh(mesh: Field, report: (problem: MalformedField) => void): MeshTelemetry {
  const write = readLegacyFormat(mesh, report);
  const providers = new Map(defaultMeshTelemetry.providers);
  providers.set('envoy', { kind: 'file', path: defaultPath, write });
  for (const entry of mesh.at('extensionProviders').items()) {
    providers.set(entry.at('name').requiredText().toLowerCase(), readProvider(entry, write, report));
  }
  const defaults = mesh.at('defaultProviders');
  const path = mesh.at('accessLogFile').text();
  return {
    providers,
    defaultMetrics: defaults.at('metrics').isAbsent ? ['prometheus'] : defaults.at('metrics').texts(),
    defaultLogs: defaults.at('accessLogging').texts(),
    legacyLog: path === '' ? undefined : { kind: 'file', path, write },
  };
}

/** accessLogFormat and accessLogEncoding: of the older setting, and of the provider `envoy`. */
function readLegacyFormat(mesh: Field, report: (problem: MalformedField) => void): LogWriter {
  const format = mesh.at('accessLogFormat');
  const isJson = mesh.at('accessLogEncoding').text() === 'JSON';
  if (format.text() === '') {
    return isJson ? compiled({ kind: 'json', labels: defaultJsonFormat }, 'marked') : standardWriter;
  }
  const text = format.text();
  const template: LogTemplate | undefined = isJson ? jsonOf(text) : { kind: 'text', text };
  if (template === undefined) {
    report(format.malformed('a JSON object', 'write it as {"name": "%OPERATOR%", …}'));
    return standardWriter;
  }
  return compileOr(standardWriter, template, 'marked', format, report);
}

function jsonOf(text: string): LogTemplate | undefined {
  try {
    const labels: unknown = JSON.parse(text);
    return typeof labels === 'object' && labels !== null ? { kind: 'json', labels: labels as JsonFormat } : undefined;
  } catch {
    return undefined;
  }
}

function readProvider(entry: Field, ofEnvoy: LogWriter, report: (problem: MalformedField) => void): Provider {
  if (!entry.at('prometheus').isAbsent) return { kind: 'prometheus' };
  if (!entry.at('envoyOtelAls').isAbsent) return readOtlpProvider(entry, report);
  const file = entry.at('envoyFileAccessLog');
  if (file.isAbsent) return { kind: 'other' };
  const format = file.at('logFormat');
  const absent: AbsentValues = file.at('omitEmptyValues').flag() ? 'omitted' : 'marked';
  const path = file.at('path').text() || defaultPath;
  const isEnvoy = entry.at('name').text().toLowerCase() === 'envoy';
  const standard = isEnvoy ? ofEnvoy : standardWriter;
  const labels = format.at('labels');
  const text = format.at('text').text();
  if (!labels.isAbsent) {
    const template: LogTemplate = { kind: 'json', labels: labels.record() as JsonFormat };
    return { kind: 'file', path, write: compileOr(standard, template, absent, labels, report) };
  }
  if (text === '') return { kind: 'file', path, write: standard };
  const write = compileOr(standard, { kind: 'text', text }, absent, format.at('text'), report);
  return { kind: 'file', path, write };
}

/** Its labels are texts; what is malformed leaves the provider out. */
function readOtlpProvider(entry: Field, report: (problem: MalformedField) => void): Provider {
  const settings = entry.at('envoyOtelAls');
  const format = settings.at('logFormat');
  try {
    const [hostname = '', namespace] = settings.at('service').requiredText().split('/').reverse();
    const name = entry.at('name').text();
    const port = settings.at('port').requiredPort();
    const logName = settings.at('logName').text() || 'otel_envoy_accesslog';
    const writerOf = (field: Field): LogWriter =>
      compileOr(standardWriter, { kind: 'text', text: field.text() }, 'marked', field, report);
    const labels = [...format.at('labels').entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      kind: 'otlp',
      collector: { name, namespace, hostname, port, logName },
      body: format.at('text').text() === '' ? standardWriter : writerOf(format.at('text')),
      attributes: labels.map(([label, field]) => [label, writerOf(field)]),
    };
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    report(error);
    return { kind: 'other' };
  }
}

function compileOr(
  standard: LogWriter,
  template: LogTemplate,
  absent: AbsentValues,
  field: Field,
  report: (problem: MalformedField) => void,
): LogWriter {
  const format = compileFormat(template, absent);
  if (format.kind === 'format') return format.write;
  const remedy = 'mend the format; until then the default format is written';
  report(new MalformedField(field.path, `is no access log format: ${format.reason}`, remedy));
  return standard;
}
