// The derived mesh, kept up to date change by change: what a change affects is derived again, by the same rules as
// `deriveMesh` has for all at once, which stays the measure of it. Changes in; out, in small steps between which others may run,
// what is to be written, in an order that leaves no workload without its policies.
import { type AuthorizationPolicy, policyKey } from '../../mesh/authorization-policy.ts';
import type { MeshSnapshot, MeshUpdate } from '../../mesh/mesh-source.ts';
import { type Service, serviceKey } from '../../mesh/service.ts';
import type { Workload, WorkloadUid } from '../../mesh/workload.ts';
import { claimsOf, policiesBesideAuthorizations } from '../derive/derive-mesh.ts';
import {
  workloadOfEntry,
  workloadOfPod,
  workloadsOfNetworkGateways,
  workloadsOfServiceEntry,
  workloadsOfSlice,
} from '../derive/derive-workloads.ts';
import { settleHostClaims } from '../derive/host-claims.ts';
import type { MeshSettings } from '../derive/mesh-settings.ts';
import type { ServiceDirectory } from '../derive/service-directory.ts';
import { hostnameOfService, serviceFromService } from '../derive/service-from-service.ts';
import type { ResourceProblem } from '../resource-problem.ts';
import { AffectedUnits, addAffected, addClaimChanges } from './affected-units.ts';
import { concernsAll } from './concerns-all.ts';
import { fillIndex } from './fill-index.ts';
import { defaultWriteLimits, type MeshDifference, planWrites, type WriteLimits } from './plan-writes.ts';
import { type ObjectChange, type ResourceChange, ResourceStore } from './resource-store.ts';
import { UnitOutputs, type ValueChange } from './unit-outputs.ts';
import { VisibleIndex } from './visible-index.ts';

/** A step that ends without an update is a place to pause. */
type Steps<T = void> = Generator<undefined, T>;

export class IncrementalMesh {
  readonly #given: MeshSettings;
  readonly #limits: WriteLimits;
  readonly #store: ResourceStore;
  readonly #workloads = new UnitOutputs<WorkloadUid, Workload>(({ uid }) => uid);
  readonly #services = new UnitOutputs<string, Service>(serviceKey);
  readonly #entryServices = new UnitOutputs<string, Service>(serviceKey);
  readonly #policies = new UnitOutputs<string, AuthorizationPolicy>(policyKey);
  #index: VisibleIndex;
  /** stale: the outputs are not those of what is kept, and all has to be derived. */
  #state: 'current' | 'stale' = 'current';

  constructor(settings: MeshSettings, limits = defaultWriteLimits) {
    this.#given = settings;
    this.#limits = limits;
    this.#store = new ResourceStore(settings.systemNamespace);
    this.#index = new VisibleIndex({ settings, network: '', networkGateways: [], waypointAccounts: new Map() });
  }

  /** Keeps the changes for the next `apply`. */
  *load(changes: readonly ObjectChange[]): Steps {
    this.#state = 'stale';
    for (const change of changes) {
      this.#store.apply(change);
      yield;
    }
  }

  /** One call at a time: the next only when this one has been gone through. Each update is to be applied as it comes. */
  *apply(changes: readonly ObjectChange[]): Generator<MeshUpdate | undefined, void> {
    const mustDeriveAll = this.#state === 'stale';
    // Should this break off.
    this.#state = 'stale';
    const { settings } = this.#index.derivation;
    const changed: ResourceChange[] = [];
    let reach: 'some' | 'all' = mustDeriveAll ? 'all' : 'some';
    for (const change of changes) {
      const made = this.#store.apply(change);
      if (made !== undefined) changed.push(made);
      if (made !== undefined && reach === 'some' && concernsAll(made, settings)) reach = 'all';
      yield;
    }
    // A first fill, or a list that is new in great part, is cheaper done whole.
    if (changed.length > 1000 && changed.length > this.#workloads.values.size / 4) reach = 'all';
    if (reach === 'all') yield* this.#deriveAll();
    else yield* this.#deriveChanged(changed);
    this.#state = 'current';
    yield* planWrites(this.#difference(), this.#limits);
  }

  snapshot(): MeshSnapshot {
    return {
      workloads: [...this.#workloads.values.values()],
      services: [...this.#services.values.values(), ...this.#entryServices.values.values()],
      policies: [...this.#policies.values.values()],
    };
  }

  problems(): readonly ResourceProblem[] {
    const ofPolicies = [...this.#index.authorizations.values()].flatMap(({ problems }) => problems);
    return [...this.#store.problems(), ...ofPolicies];
  }

  *#deriveAll(): Steps {
    const index = yield* fillIndex(this.#store.resources(), this.#given);
    this.#index = index;
    this.#deriveEntryServices();
    yield;
    const made = new Set<string>();
    const keys = {
      services: index.kubernetesServices.keys(),
      pods: index.pods.keys(),
      workloadEntries: index.workloadEntries.keys(),
      slices: index.slices.keys(),
    };
    yield* this.#deriveUnits(keys, (unit) => made.add(unit));
    made.add(this.#deriveEntryWorkloads());
    made.add(this.#deriveNetworkGateways());
    yield;
    this.#derivePolicies();
    yield* this.#workloads.keepOnly(made);
    yield* this.#services.keepOnly(made);
  }

  *#deriveChanged(changes: readonly ResourceChange[]): Steps {
    const index = this.#index;
    const units = new AffectedUnits();
    for (const change of changes) {
      const before = change.before && index.isVisible(change.before) ? change.before : undefined;
      const after = change.after && index.isVisible(change.after) ? change.after : undefined;
      const policiesBefore = before?.kind === 'authorizationPolicies' ? index.selectingPoliciesOf(before.value) : [];
      if (before !== undefined) index.drop(before);
      if (after !== undefined) index.put(after);
      addAffected({ before, after }, policiesBefore, index, units);
      yield;
    }
    if (units.serviceEntries === 'affected') addClaimChanges(this.#deriveEntryServices(), index, units);
    if (units.policies === 'affected') this.#derivePolicies();
    yield;
    yield* this.#deriveUnits(units, () => {});
    if (units.serviceEntries === 'affected') this.#deriveEntryWorkloads();
  }

  /** @returns the directory of claims before */
  #deriveEntryServices(): ServiceDirectory {
    const index = this.#index;
    const { derivation } = index;
    const owners = [...index.kubernetesServices.values()]
      .filter(({ isExternalName }) => !isExternalName)
      .map(({ object: { metadata } }) => ({
        namespace: metadata.namespace,
        hostname: hostnameOfService(metadata, derivation),
      }));
    const claims = settleHostClaims(owners, claimsOf(index.serviceEntries.values(), derivation));
    this.#entryServices.set(
      'hosts',
      claims.map(({ service }) => service),
    );
    return index.useClaims(claims);
  }

  #derivePolicies(): void {
    const { authorizations, peerAuthentications, derivation } = this.#index;
    this.#policies.set('policies', [
      ...[...authorizations.values()].flatMap(({ policy }) => policy ?? []),
      ...policiesBesideAuthorizations([...peerAuthentications.values()].flat(), derivation),
    ]);
  }

  /** @param onUnit hears the name of each unit */
  *#deriveUnits(
    units: Readonly<Record<'services' | 'pods' | 'workloadEntries' | 'slices', Iterable<string>>>,
    onUnit: (unit: string) => void,
  ): Steps {
    const index = this.#index;
    const setWorkloads = (unit: string, workloads: readonly Workload[]): void => {
      this.#workloads.set(unit, workloads);
      onUnit(unit);
    };
    for (const key of units.services) {
      const service = index.kubernetesServices.get(key);
      const isInMesh = service !== undefined && !service.isExternalName;
      this.#services.set(`service ${key}`, isInMesh ? [serviceFromService(service, index.derivation)] : []);
      onUnit(`service ${key}`);
      yield;
    }
    for (const key of units.pods) {
      const pod = index.pods.get(key);
      setWorkloads(`pod ${key}`, asList(pod && workloadOfPod(pod, index)));
      yield;
    }
    for (const key of units.workloadEntries) {
      const entry = index.workloadEntries.get(key);
      setWorkloads(`workload entry ${key}`, asList(entry && workloadOfEntry(entry, index)));
      yield;
    }
    for (const key of units.slices) {
      const slice = index.slices.get(key);
      setWorkloads(`slice ${key}`, slice === undefined ? [] : workloadsOfSlice(slice, index));
      yield;
    }
  }

  /** @returns the name of the unit */
  #deriveEntryWorkloads(): string {
    const workloads = [...Map.groupBy(this.#index.claimList, ({ entry }) => entry)].flatMap(([entry, own]) =>
      workloadsOfServiceEntry(entry, own, this.#index),
    );
    this.#workloads.set('service entries', workloads);
    return 'service entries';
  }

  /** @returns the name of the unit */
  #deriveNetworkGateways(): string {
    this.#workloads.set('network gateways', workloadsOfNetworkGateways(this.#index.derivation));
    return 'network gateways';
  }

  #difference(): MeshDifference {
    const [workloads, services, entryServices] = [this.#workloads, this.#services, this.#entryServices];
    return {
      size: workloads.changedCount + services.changedCount + entryServices.changedCount + this.#policies.changedCount,
      workloads: workloads.takeChanges(),
      services: unlessThere(services, entryServices),
      policies: this.#policies.takeChanges(),
    };
  }
}

/** A host may go over from a Service to a ServiceEntry, or back. */
function* unlessThere<K, V>(...outputs: readonly UnitOutputs<K, V>[]): Generator<ValueChange<K, V>> {
  for (const output of outputs) {
    for (const change of output.takeChanges()) {
      if (change.after !== undefined || !outputs.some(({ values }) => values.has(change.key))) yield change;
    }
  }
}

function asList<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}
