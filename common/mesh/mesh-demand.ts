// A mesh that is known in parts only: what a decision misses is asked for, and then decided again. In: the names of what was
// missed (`missed-names.ts`). Out: whether all of them have been answered, so that the mesh knows now what there is to know.

export type DemandOutcome =
  | { readonly kind: 'answered' }
  /** Nobody has told in time: whether it is in the mesh is not known. */
  | { readonly kind: 'unanswered'; readonly detail: string };

export interface MeshDemand {
  /** @param names `network/ip`, `namespace/hostname`. Never rejects, and ends within a bound. */
  ask(names: readonly string[]): Promise<DemandOutcome>;
}
