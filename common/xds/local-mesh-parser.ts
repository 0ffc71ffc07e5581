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
  const problems = new LocalMeshProblems();
  const entriesOf = <T>(name: string, read: (field: Field) => T): T[] =>
    problems
      .attempt(() => root.at(name).items())
      ?.flatMap((item) => {
        const entry = problems.attempt(() => read(item));
        return entry === undefined ? [] : [entry];
      }) ?? [];
  problems.attempt(() => root.onlyMembers(['workloads', 'services', 'policies']));
  const workloads = entriesOf('workloads', readLocalWorkload);
  const services = entriesOf('services', readLocalService);
  const policies = entriesOf('policies', readLocalPolicy);
  problems.throwIfAny(origin);
  const memberships = membershipsOf(services);
  return {
    workloads: workloads.map((workload) => withMemberships(workload, memberships)),
    services: services.map(({ service }) => service),
    policies,
  };
}

/** What is wrong with a document, of all its entries. */
export class LocalMeshProblems {
  readonly #problems: string[] = [];

  /** @returns undefined where a field is malformed, which is noted */
  attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof MalformedField)) throw error;
      const where = error.path === '' ? 'the document' : error.path;
      this.#problems.push(`${where} ${error.message}: ${error.remedy}`);
      return undefined;
    }
  }

  /** @throws MeshError CONFIG_INVALID */
  throwIfAny(origin: string): void {
    const count = this.#problems.length;
    if (count === 0) return;
    const more = count > maxTold ? `; and ${count - maxTold} more` : '';
    throw new MeshError('CONFIG_INVALID', `${origin}: ${this.#problems.slice(0, maxTold).join('; ')}${more}`);
  }
}

/** Endpoints may stand at the service as well; in the mesh they belong to the workload. */
export type Memberships = ReadonlyMap<WorkloadUid, readonly (readonly [key: string, ports: readonly ServicePort[]])[]>;

export function membershipsOf(services: readonly LocalService[]): Memberships {
  const added = new Map<WorkloadUid, [string, readonly ServicePort[]][]>();
  for (const { service, endpoints } of services) {
    for (const { workload, ports } of endpoints) {
      const memberships = added.get(workload) ?? [];
      added.set(workload, memberships);
      memberships.push([serviceKey(service), ports]);
    }
  }
  return added;
}

export function withMemberships(workload: Workload, added: Memberships): Workload {
  const memberships = added.get(workload.uid);
  return memberships === undefined
    ? workload
    : { ...workload, services: new Map([...workload.services, ...memberships]) };
}

function parseYaml(text: string, origin: string): unknown {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error === undefined) return document.toJS();
  throw new MeshError('CONFIG_INVALID', `${origin} is no YAML: ${error.message}`, { cause: error });
}
