// Istio's ProxyConfig, as far as a ztunnel heeds it (ztunnel.md §2): `defaultConfig` of the mesh config file, over it the
// document in PROXY_CONFIG, over both ISTIO_META_*. Texts in, one value out; problems go to the reader.
import { parse } from 'yaml';
import type { EnvReader } from '../common/config/env-reader.ts';
import type { StructFields, StructValue } from '../common/xds/discovery-codec.ts';

export interface ProxyConfig {
  readonly discoveryAddress: string | undefined;
  readonly proxyAdminPort: number | undefined;
  readonly statsPort: number | undefined;
  readonly concurrency: number | undefined;
  /** proxyMetadata and ISTIO_META_* (texts), ISTIO_METAJSON_* (anything), without their prefixes. */
  readonly metadata: StructFields;
}

type Document = Readonly<Record<string, unknown>>;

/** @param meshConfig text of `./etc/istio/config/mesh`; undefined where there is none */
export function readProxyConfig(read: EnvReader, meshConfig: string | undefined): ProxyConfig {
  const ofMesh = section(read, parseDocument(read, meshConfig, 'the mesh config file'), 'defaultConfig');
  const own = parseDocument(read, read.text('PROXY_CONFIG'), 'PROXY_CONFIG');
  const merged = { ...ofMesh, ...own };
  const given = { ...section(read, ofMesh, 'proxyMetadata'), ...section(read, own, 'proxyMetadata') };
  const texts = Object.entries(given).map(
    ([name, value]) => [name.replace(/^ISTIO_META_/, ''), String(value)] as const,
  );
  return {
    discoveryAddress: typeof merged['discoveryAddress'] === 'string' ? merged['discoveryAddress'] : undefined,
    proxyAdminPort: readPort(read, merged, 'proxyAdminPort'),
    statsPort: readPort(read, merged, 'statsPort'),
    concurrency: typeof merged['concurrency'] === 'number' ? merged['concurrency'] : undefined,
    metadata: {
      ...Object.fromEntries(texts),
      ...Object.fromEntries(read.withPrefix('ISTIO_META_')),
      ...readJsonMetadata(read),
    },
  };
}

function parseDocument(read: EnvReader, text: string | undefined, what: string): Document {
  if (text === undefined || text.trim() === '') return {};
  try {
    const document: unknown = parse(text);
    if (isRecord(document)) return document;
    read.problem(`${what} is no YAML mapping`);
  } catch (error) {
    read.problem(`${what} is no YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
  return {};
}

function section(read: EnvReader, document: Document, name: string): Document {
  const value = document[name];
  if (value === undefined || value === null) return {};
  if (isRecord(value)) return value;
  read.problem(`${name} of the proxy configuration is no mapping`);
  return {};
}

function readPort(read: EnvReader, document: Document, name: string): number | undefined {
  const value = document[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  read.problem(`${name} of the proxy configuration is ${JSON.stringify(value)}: expected a port`);
  return undefined;
}

function readJsonMetadata(read: EnvReader): StructFields {
  const fields: Record<string, StructValue> = {};
  for (const [name, text] of read.withPrefix('ISTIO_METAJSON_')) {
    try {
      const value: StructValue = JSON.parse(text);
      fields[name] = value;
    } catch (error) {
      read.problem(`invalid env var ISTIO_METAJSON_${name}: ${String(error)}`);
    }
  }
  return fields;
}

function isRecord(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
