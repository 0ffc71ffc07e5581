// Puts the mesh's status together: configuration, pods with their state, daemons in; what /status.json says out. Pure.

import type { PodSpec } from '../materialize/pod-spec.ts';
import type { MeshStatus, PodStatus } from '../mesh-status.ts';
import { podEnv } from './container-command.ts';
import { proxyEnv } from './daemon-env.ts';
import type { SupervisorConfig } from './supervisor-config.ts';

export interface PodFacts {
  readonly spec: PodSpec;
  readonly state: string;
  readonly sandboxPid: number;
  readonly containers: PodStatus['containers'];
}

export interface StatusFacts {
  readonly config: SupervisorConfig;
  readonly nodeName: string;
  readonly trustDomain: string;
  readonly pods: readonly PodFacts[];
  readonly ztunnelState: string;
  readonly logFolder: string;
  readonly problems: readonly string[];
}

export function statusOf(facts: StatusFacts): MeshStatus {
  const { config, pods } = facts;
  const gate = config.gateUrl.replace(/\/$/, '');
  const sorted = [...pods].sort((left, right) => (left.spec.key < right.spec.key ? -1 : 1));
  return {
    mesh: config.mesh,
    version: config.version,
    mode: config.mode,
    modeReason: config.modeReason,
    modeRemedy: config.modeRemedy,
    trustDomain: facts.trustDomain,
    gateUrl: `${gate}/`,
    pods: sorted.map((pod) => podStatus(pod, facts)),
    waypoints: sorted.flatMap(({ spec, state }) =>
      spec.role.kind !== 'waypoint'
        ? []
        : [
            {
              namespace: spec.namespace,
              gateway: spec.role.gateway,
              pod: spec.name,
              address: spec.ip,
              state,
              metricsUrl: `${gate}/metrics/${spec.namespace}/${spec.name}`,
            },
          ],
    ),
    ztunnel: {
      state: facts.ztunnelState,
      metricsUrl: `${gate}/metrics/ztunnel`,
      adminUrl: `${gate}/admin/ztunnel/config_dump`,
    },
    prometheusUrl: `${gate}/sd`,
    logFolder: facts.logFolder,
    problems: facts.problems,
  };
}

function podStatus({ spec, state, sandboxPid, containers }: PodFacts, facts: StatusFacts): PodStatus {
  const { enrollment } = spec;
  return {
    namespace: spec.namespace,
    name: spec.name,
    workload: spec.workload,
    address: spec.ip,
    identity: `spiffe://${facts.trustDomain}/ns/${spec.namespace}/sa/${spec.serviceAccount}`,
    enrolled: enrollment.kind === 'enrolled',
    notEnrolledReason: enrollment.kind === 'enrolled' ? '' : enrollment.reason,
    state,
    role: spec.role.kind,
    containers,
    sandboxPid,
    env: { ...podEnv(spec, facts.nodeName), ...(facts.config.mode === 'explicit' ? proxyEnv(spec) : {}) },
  };
}
