// What the derivation must know beside the resources: names of the mesh and of the cluster, and Istio's feature switches.
// Defaults are istiod's; what the ConfigMap of the mesh says wins over what was given at start.

import type { LabelSelector } from '../kinds/label-selector.ts';
import type { EntryVisibilityRule, MeshConfig } from '../kinds/mesh-config.ts';

export interface MeshSettings {
  readonly trustDomain: string;
  /** Policies of this namespace hold for the whole mesh. */
  readonly rootNamespace: string;
  /** Where ConfigMap `istio` and the label that names the cluster's network stand. */
  readonly systemNamespace: string;
  readonly clusterId: string;
  /** Services are `<name>.<namespace>.svc.<domainSuffix>`. */
  readonly domainSuffix: string;
  /** Configuration labelled `istio.io/rev` with another revision is not ours. */
  readonly revision: string;
  /** AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY: what becomes of policies annotated `istio.io/dry-run`. */
  readonly dryRunPolicies: 'ignored' | 'rehearsed';
  /** PILOT_AUTO_ALLOW_WAYPOINT_POLICY: whether workloads behind a waypoint admit it without being told to. */
  readonly waypointAdmission: 'by-policy' | 'automatic';
  readonly discoverySelectors: readonly LabelSelector[];
  readonly serviceEntryVisibility: readonly EntryVisibilityRule[];
}

export const defaultMeshSettings: MeshSettings = {
  trustDomain: 'cluster.local',
  rootNamespace: 'istio-system',
  systemNamespace: 'istio-system',
  clusterId: 'Kubernetes',
  domainSuffix: 'cluster.local',
  revision: 'default',
  dryRunPolicies: 'ignored',
  waypointAdmission: 'by-policy',
  discoverySelectors: [],
  serviceEntryVisibility: [],
};

export function withMeshConfig(settings: MeshSettings, config: MeshConfig | undefined): MeshSettings {
  if (config === undefined) return settings;
  return {
    ...settings,
    trustDomain: config.trustDomain ?? settings.trustDomain,
    rootNamespace: config.rootNamespace ?? settings.rootNamespace,
    discoverySelectors: config.discoverySelectors,
    serviceEntryVisibility: config.serviceEntryVisibility,
  };
}
