// Reads the mesh of ztunnel's standalone mode once, at the start: LOCAL_XDS_PATH or LOCAL_XDS. A file is read twice, line by line,
// services first, so that of a hundred thousand workloads no more than a few are held at a time. In: where. Out: parts of the mesh.
import { open, readFile } from 'node:fs/promises';
import { MeshError } from '../errors.ts';
import type { AuthorizationPolicy } from '../mesh/authorization-policy.ts';
import type { MeshSnapshot } from '../mesh/mesh-source.ts';
import type { Workload } from '../mesh/workload.ts';
import { Field } from '../sources/field.ts';
import type { TextSource } from '../tls/control-plane-client.ts';
import { EntrySplitter, type LocalEntry, NotInLists, parseEntry } from './local-mesh-entries.ts';
import {
  LocalMeshProblems,
  type Memberships,
  membershipsOf,
  parseLocalMesh,
  withMemberships,
} from './local-mesh-parser.ts';
import { readLocalPolicy } from './local-policy.ts';
import { type LocalService, readLocalService, readLocalWorkload } from './local-workload.ts';

const workloadsPerPart = 64;

/** In the order in which they are to be applied. @throws MeshError CONFIG_INVALID, naming the file and what is wrong in it */
export async function* readLocalMesh(source: TextSource): AsyncGenerator<MeshSnapshot> {
  if (source.kind === 'literal') {
    yield parseLocalMesh(source.text, 'LOCAL_XDS');
    return;
  }
  const { path } = source;
  try {
    yield* readFileInParts(path);
  } catch (cause) {
    if (cause instanceof MeshError) throw cause;
    if (isOfSystem(cause)) {
      throw new MeshError('CONFIG_INVALID', `cannot read LOCAL_XDS_PATH=${path}: ${String(cause)}`, { cause });
    }
    // Written in another way, or with a mistake that the whole document's error names best. What was read before comes again.
    yield parseLocalMesh(await readFile(path, 'utf8'), path);
  }
}

/** @throws MeshError; NotInLists; Error of YAML or of the system */
async function* readFileInParts(path: string): AsyncGenerator<MeshSnapshot> {
  const problems = new LocalMeshProblems();
  const services: LocalService[] = [];
  const policies: AuthorizationPolicy[] = [];
  for await (const entry of entriesOf(path)) {
    if (entry.list === 'services') keep(services, problems, () => readLocalService(fieldOf(entry)));
    else if (entry.list === 'policies') keep(policies, problems, () => readLocalPolicy(fieldOf(entry)));
    else if (entry.list !== 'workloads') throw new NotInLists();
  }
  yield { workloads: [], services: services.map(({ service }) => service), policies };
  yield* readWorkloads(path, membershipsOf(services), problems);
  problems.throwIfAny(path);
}

async function* readWorkloads(
  path: string,
  memberships: Memberships,
  problems: LocalMeshProblems,
): AsyncGenerator<MeshSnapshot> {
  let workloads: Workload[] = [];
  for await (const entry of entriesOf(path)) {
    if (entry.list !== 'workloads') continue;
    keep(workloads, problems, () => withMemberships(readLocalWorkload(fieldOf(entry)), memberships));
    if (workloads.length < workloadsPerPart) continue;
    yield { workloads, services: [], policies: [] };
    workloads = [];
  }
  yield { workloads, services: [], policies: [] };
}

async function* entriesOf(path: string): AsyncGenerator<LocalEntry> {
  const splitter = new EntrySplitter();
  const file = await open(path);
  try {
    for await (const line of file.readLines()) {
      const entry = splitter.push(line);
      if (entry !== undefined) yield entry;
    }
    const last = splitter.end();
    if (last !== undefined) yield last;
  } finally {
    await file.close();
  }
}

function fieldOf({ list, index, text }: LocalEntry): Field {
  return new Field(`${list}[${index}]`, parseEntry(text));
}

function keep<T>(into: T[], problems: LocalMeshProblems, read: () => T): void {
  const value = problems.attempt(read);
  if (value !== undefined) into.push(value);
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'errno' in error;
}
