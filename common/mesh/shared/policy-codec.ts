// A policy as a record of the shared mesh, and back. There are few and they are deep: JSON, which keeps what is absent
// absent; every member of a policy is a plain value.
import type { AuthorizationPolicy } from '../authorization-policy.ts';
import type { RecordReader } from './record-reader.ts';
import type { RecordWriter } from './record-writer.ts';

export function writePolicy(writer: RecordWriter, policy: AuthorizationPolicy): void {
  writer.text(JSON.stringify(policy));
}

export function readPolicy(reader: RecordReader): AuthorizationPolicy {
  const policy: AuthorizationPolicy = JSON.parse(reader.text());
  return policy;
}
