// The derived mesh, kept up to date change by change: what a change affects is derived again, by the same rules as
// `deriveMesh` has for all at once, which stays the measure of it. Objects in; the smallest difference, whole, out: workloads
// and the policies they name change together, so that no policy is missing in between.
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
import { type ObjectChange, type ResourceChange, ResourceStore } from './resource-store.ts';
import { UnitOutputs } from './unit-outputs.ts';
import { VisibleIndex } from './visible-index.ts';

export class IncrementalMesh {
  readonly #given: MeshSettings;
  readonly #store: ResourceStore;
  readonly #workloads = new UnitOutputs<WorkloadUid, Workload>(({ uid }) => uid);
  readonly #services = new UnitOutputs<string, Service>(serviceKey);
  readonly #entryServices = new UnitOutputs<string, Service>(serviceKey);
  readonly #policies = new UnitOutputs<string, AuthorizationPolicy>(policyKey);
  #index: VisibleIndex;

  constructor(settings: MeshSettings) {
    this.#given = settings;
    this.#store = new ResourceStore(settings.systemNamespace);
    this.#index = new VisibleIndex([], settings);
  }

  apply(changes: readonly ObjectChange[]): MeshUpdate {
    const changed = changes.flatMap((change) => this.#store.apply(change) ?? []);
    const { settings } = this.#index.derivation;
    // A first fill, or a list that is new in great part, is cheaper done whole.
    const isBulk = changed.length > 1000 && changed.length > this.#workloads.values.size / 4;
    if (isBulk || changed.some((change) => concernsAll(change, settings))) this.#deriveAll();
    else this.#deriveChanged(changed);
    return this.#takeUpdate();
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

  #deriveAll(): void {
    const index = new VisibleIndex([...this.#store.resources()], this.#given);
    this.#index = index;
    const units = new AffectedUnits();
    for (const key of index.pods.keys()) units.pods.add(key);
    for (const key of index.workloadEntries.keys()) units.workloadEntries.add(key);
    for (const key of index.kubernetesServices.keys()) units.services.add(key);
    for (const key of index.slices.keys()) units.slices.add(key);
    this.#deriveEntryServices();
    const made = new Set([
      ...this.#deriveUnits(units),
      ...this.#deriveEntryWorkloads(),
      ...this.#deriveNetworkGateways(),
    ]);
    this.#derivePolicies();
    this.#workloads.keepOnly(made);
    this.#services.keepOnly(made);
  }

  #deriveChanged(changes: readonly ResourceChange[]): void {
    const index = this.#index;
    const units = new AffectedUnits();
    for (const change of changes) {
      const before = change.before && index.isVisible(change.before) ? change.before : undefined;
      const after = change.after && index.isVisible(change.after) ? change.after : undefined;
      const policiesBefore = before?.kind === 'authorizationPolicies' ? index.selectingPoliciesOf(before.value) : [];
      if (before !== undefined) index.drop(before);
      if (after !== undefined) index.put(after);
      addAffected({ before, after }, policiesBefore, index, units);
    }
    if (units.serviceEntries === 'affected') addClaimChanges(this.#deriveEntryServices(), index, units);
    if (units.policies === 'affected') this.#derivePolicies();
    this.#deriveUnits(units);
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

  /** @returns names of the units */
  #deriveUnits(units: AffectedUnits): readonly string[] {
    const index = this.#index;
    const made: string[] = [];
    const set = (unit: string, workloads: readonly Workload[]): void => {
      this.#workloads.set(unit, workloads);
      made.push(unit);
    };
    for (const key of units.services) {
      const service = index.kubernetesServices.get(key);
      const isInMesh = service !== undefined && !service.isExternalName;
      this.#services.set(`service ${key}`, isInMesh ? [serviceFromService(service, index.derivation)] : []);
      made.push(`service ${key}`);
    }
    for (const key of units.pods) {
      const pod = index.pods.get(key);
      set(`pod ${key}`, asList(pod && workloadOfPod(pod, index)));
    }
    for (const key of units.workloadEntries) {
      const entry = index.workloadEntries.get(key);
      set(`workload entry ${key}`, entry === undefined ? [] : [workloadOfEntry(entry, index)]);
    }
    for (const key of units.slices) {
      const slice = index.slices.get(key);
      set(`slice ${key}`, slice === undefined ? [] : workloadsOfSlice(slice, index));
    }
    return made;
  }

  #deriveEntryWorkloads(): readonly string[] {
    const workloads = [...Map.groupBy(this.#index.claimList, ({ entry }) => entry)].flatMap(([entry, own]) =>
      workloadsOfServiceEntry(entry, own, this.#index),
    );
    this.#workloads.set('service entries', workloads);
    return ['service entries'];
  }

  #deriveNetworkGateways(): readonly string[] {
    this.#workloads.set('network gateways', workloadsOfNetworkGateways(this.#index.derivation));
    return ['network gateways'];
  }

  #takeUpdate(): MeshUpdate {
    const workloads = this.#workloads.takeDifference();
    const policies = this.#policies.takeDifference();
    const services = this.#services.takeDifference();
    const entryServices = this.#entryServices.takeDifference();
    const isThere = (key: string): boolean => this.#services.values.has(key) || this.#entryServices.values.has(key);
    return {
      workloads: workloads.put,
      services: [...services.put, ...entryServices.put],
      policies: policies.put,
      removedWorkloads: workloads.removed,
      removedServices: [...services.removed, ...entryServices.removed].filter((key) => !isThere(key)),
      removedPolicies: policies.removed,
    };
  }
}

function asList<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}
