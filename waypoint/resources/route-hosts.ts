// Which services a host in a route means: a short name is a Service beside the resource, a leading `*` stands for every host that ends so.
// Also who may use a resource (`exportTo`). In: texts. Out: full names, yes or no. Source: waypoint-telemetry.md §8.1, istio-control.md §6.2.

export function fullHost(host: string, namespace: string, clusterDomain: string): string {
  return host.includes('.') || host.startsWith('*') ? host : `${host}.${namespace}.svc.${clusterDomain}`;
}

export function hostCovers(host: string, hostname: string): boolean {
  return host.startsWith('*') ? hostname.endsWith(host.slice(1)) : host === hostname;
}

export function isExportedTo(
  resource: { readonly namespace: string; readonly exportTo: readonly string[] },
  namespace: string,
): boolean {
  const { exportTo } = resource;
  if (exportTo.length === 0 || exportTo.includes('*') || exportTo.includes(namespace)) return true;
  return exportTo.includes('.') && resource.namespace === namespace;
}
