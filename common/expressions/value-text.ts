// Turns values into the text of a label or log field, and clock readings into CEL's timestamp and duration.
// In: a value of an evaluated expression. Out: text; undefined where only the consumer's fallback makes sense. Source: waypoint-telemetry.md §4.6.
import { celEnv, isCelError, isCelList, isCelMap, isCelType, isCelUint, parse, plan } from '@bufbuild/cel';
import type { AttributeValue } from './attribute-map.ts';
import type { Value } from './expression.ts';

const environment = celEnv();
const toTimestamp = plan(environment, parse('timestamp(text)'));
const toDuration = plan(environment, parse('duration(text)'));
const toText = plan(environment, parse('string(value)'));

export function timestampOf(epochMs: number): AttributeValue | undefined {
  const value = toTimestamp({ text: new Date(epochMs).toISOString() });
  return isCelError(value) ? undefined : (value as AttributeValue);
}

export function durationOf(milliseconds: number): AttributeValue | undefined {
  const value = toDuration({ text: `${Math.max(0, Math.round(milliseconds * 1000))}us` });
  return isCelError(value) ? undefined : (value as AttributeValue);
}

export function textOf(value: Value): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number') return String(value);
  if (value === null) return 'NULL';
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (isCelUint(value)) return String(value.value);
  if (isCelMap(value)) return '<map value>';
  if (isCelList(value)) return '<list value>';
  if (isCelType(value)) return value.name;
  const text = toText({ value });
  return typeof text === 'string' ? text.replace(paddedSeconds, (_, digits: string) => `${digits}s`) : undefined;
}

/** The library pads fractions of a second to three digits; Go, and so Envoy, prints `1.5s`. */
const paddedSeconds = /((?:\.\d*[1-9])?)\.?0*s$/;
