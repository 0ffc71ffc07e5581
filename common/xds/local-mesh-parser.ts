// The YAML of ztunnel's standalone mode (ztunnel.md §13): workloads, services and policies written down by hand, with the
// names of config_dump. Text in; a mesh snapshot out, or an error that names every entry that is wrong.
import { parseDocument } from 'yaml';
import { MeshError } from '../errors.ts';
import type { MeshSnapshot } from '../mesh/mesh-source.ts';
import { serviceKey } from '../mesh/service.ts';
import type { ServicePort, Workload, WorkloadUid } from '../mesh/workload.ts';
import { Field, MalformedField } from '../sources/field.ts';
import { readEntries } from './local-mesh-entries.ts';
import { readLocalPolicy } from './local-policy.ts';
import { type LocalService, readLocalService, readLocalWorkload } from './local-workload.ts';

/** How many wrong entries are told. */
const maxTold = 10;

/** @throws MeshError CONFIG_INVALID */
export function parseLocalMesh(text: string, origin: string): MeshSnapshot {
  const root = new Field('', readEntries(text) ?? parseYaml(text, origin));
  const problems: string[] = [];
  const entriesOf = <T>(name: string, read: (field: Field) => T): T[] =>
    attempt(problems, () => root.at(name).items())?.flatMap((item) => {
      const entry = attempt(problems, () => read(item));
      return entry === undefined ? [] : [entry];
    }) ?? [];
  attempt(problems, () => root.onlyMembers(['workloads', 'services', 'policies']));
  const workloads = entriesOf('workloads', readLocalWorkload);
  const services = entriesOf('services', readLocalService);
  const policies = entriesOf('policies', readLocalPolicy);
  if (problems.length > 0) {
    const more = problems.length > maxTold ? `; and ${problems.length - maxTold} more` : '';
    throw new MeshError('CONFIG_INVALID', `${origin}: ${problems.slice(0, maxTold).join('; ')}${more}`);
  }
  return { workloads: withEndpoints(workloads, services), services: services.map(({ service }) => service), policies };
}

function parseYaml(text: string, origin: string): unknown {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error === undefined) return document.toJS();
  throw new MeshError('CONFIG_INVALID', `${origin} is no YAML: ${error.message}`, { cause: error });
}

function attempt<T>(problems: string[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    problems.push(`${error.path === '' ? 'the document' : error.path} ${error.message}: ${error.remedy}`);
    return undefined;
  }
}

/** Endpoints may stand at the service as well; in the mesh they belong to the workload. */
function withEndpoints(workloads: readonly Workload[], services: readonly LocalService[]): readonly Workload[] {
  const added = new Map<WorkloadUid, [string, readonly ServicePort[]][]>();
  for (const { service, endpoints } of services) {
    for (const { workload, ports } of endpoints) {
      const memberships = added.get(workload) ?? [];
      added.set(workload, memberships);
      memberships.push([serviceKey(service), ports]);
    }
  }
  return workloads.map((workload) => {
    const memberships = added.get(workload.uid);
    return memberships === undefined
      ? workload
      : { ...workload, services: new Map([...workload.services, ...memberships]) };
  });
}
