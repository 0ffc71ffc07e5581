// Keeps the roots in their Secret, beside any number of replicas that do the same: every step is written against the
// version that was read, and who comes second reads again. In: the plan's steps. Out: the roots to sign with.
import { MeshError } from '../../common/errors.ts';
import { planRoots, type RootStep, type RootTerms } from '../../common/identity/plan-roots.ts';
import { createRoot, type RootPem } from '../../common/identity/root-certificate.ts';
import type { RootSet } from '../../common/identity/root-set.ts';
import type { Logger } from '../../common/log.ts';
import type { KeptSecret, ObjectName, SecretStore } from './cluster-client.ts';
import { readRootSet, rotateAnnotation, writeRootSet } from './root-secret.ts';

export interface RootKeeperOptions {
  readonly store: SecretStore;
  readonly secret: ObjectName;
  readonly terms: RootTerms;
  readonly trustDomain: string;
  readonly now: () => number;
  readonly log: Logger;
}

export interface KeptRoots {
  readonly set: RootSet;
  /** When the next step is due. */
  readonly dueAtMs: number;
}

export interface RootKeeper {
  /** Reads the roots and takes every step that is due. @throws MeshError */
  sync(): Promise<KeptRoots>;
}

/** Each conflict is another replica's step forward. */
const maxTries = 8;

export function createRootKeeper(options: RootKeeperOptions): RootKeeper {
  const { store, secret, terms, now, log } = options;
  let held: RootSet | undefined;

  async function takeStep(): Promise<KeptRoots | 'again'> {
    const found = await store.readSecret(secret);
    const set = found && readRootSet(found.data);
    const kept = set === undefined ? ({ kind: 'absent' } as const) : ({ kind: 'found', set } as const);
    const rotation = found?.annotations[rotateAnnotation] === undefined ? 'not-asked' : 'asked';
    const step = planRoots({ kept, held, rotation, nowMs: now() }, terms);
    if (step.kind === 'keep') {
      if (set === undefined) return 'again';
      held = set;
      return { set, dueAtMs: step.untilMs };
    }
    const next = await afterStep(step, set, options);
    const outcome = await write(store, secret, found, next, step);
    if (outcome === 'written') log.info({ step: step.kind, ...why(step), secret: nameOf(secret) }, 'CA root changed');
    return 'again';
  }

  return {
    async sync() {
      for (let tries = 0; tries < maxTries; tries += 1) {
        const kept = await takeStep();
        if (kept !== 'again') return kept;
      }
      throw new MeshError(
        'IO_FAILED',
        `the roots in secret ${nameOf(secret)} changed ${maxTries} times while being read`,
      );
    },
  };
}

type TakenStep = Exclude<RootStep, { kind: 'keep' }>;

async function afterStep(step: TakenStep, set: RootSet | undefined, options: RootKeeperOptions): Promise<RootSet> {
  if (step.kind === 'advance' || step.kind === 'restore') return step.set;
  const { trustDomain, now, terms } = options;
  const { keyPem, certificatePem } = await createRoot(trustDomain, now(), terms.rootLifetimeMs);
  const fresh: RootPem = { keyPem, certificatePem };
  return step.kind === 'add-next' && set !== undefined
    ? { kind: 'spreading', signing: set.signing, next: fresh, sinceMs: now() }
    : { kind: 'steady', signing: fresh };
}

function write(
  store: SecretStore,
  secret: ObjectName,
  found: KeptSecret | undefined,
  set: RootSet,
  step: TakenStep,
): Promise<'written' | 'conflict'> {
  const data = writeRootSet(set);
  if (found === undefined) return store.createSecret(secret, data);
  const { [rotateAnnotation]: asked, ...others } = found.annotations;
  // A wish that comes in the middle of a rotation waits for its end.
  const annotations = step.kind === 'add-next' || asked === undefined ? others : found.annotations;
  return store.replaceSecret(secret, { data, annotations, resourceVersion: found.resourceVersion });
}

function why(step: TakenStep): { readonly why?: string; readonly phase?: string } {
  if (step.kind === 'add-next') return { why: step.why };
  return step.kind === 'advance' ? { phase: step.set.kind } : {};
}

function nameOf({ namespace, name }: ObjectName): string {
  return `${namespace}/${name}`;
}
