// The `ip` batches that tie a pod's network namespace to the mesh's root namespace: a routed veth pair, one /32 address
// in the pod, the node's address as its gateway. Addresses and process number in, text for `ip -batch -` out.

/** In the root namespace, once. */
export function rootLinks(nodeIp: string): string {
  return `link set lo up\naddress add ${nodeIp}/32 dev lo\n`;
}

/** In the root namespace: the pod's end is made in the namespace of that process at once. */
export function linkToPod(link: string, podPid: number, podIp: string): string {
  return [
    `link add ${link} type veth peer name eth0 netns ${podPid}`,
    `link set ${link} up`,
    `route add ${podIp}/32 dev ${link} scope link`,
    '',
  ].join('\n');
}

/** In the pod's namespace. */
export function podLinks(podIp: string, nodeIp: string): string {
  return [
    'link set lo up',
    `address add ${podIp}/32 dev eth0`,
    'link set eth0 up',
    `route add ${nodeIp}/32 dev eth0 scope link`,
    `route add default via ${nodeIp} dev eth0 src ${podIp}`,
    '',
  ].join('\n');
}
