/** Something that happened, as one of two tells of it. */
export interface Sighting {
  /** What both must agree on. */
  readonly kind: string
  /** Where they agree on this as well, they are paired first. */
  readonly closerKind: unknown
  readonly millis: number
}

const groupBy = <A>(all: ReadonlyArray<A>, keyOf: (each: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const each of all) {
    const key = keyOf(each)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [each])
    else group.push(each)
  }
  return groups
}

const inOrder = <A extends Sighting>(all: ReadonlyArray<A>): ReadonlyArray<A> =>
  all.toSorted((one, other) => one.millis - other.millis)

/** Each with the first that is close enough and not taken: in order, no other way gives more pairs. */
const pairRuns = <A extends Sighting, B extends Sighting>(
  ones: ReadonlyArray<A>,
  others: ReadonlyArray<B>,
  mostApart: number,
): ReadonlyArray<readonly [A, B]> => {
  const pairs: Array<readonly [A, B]> = []
  let place = 0
  for (const one of ones) {
    while ((others[place]?.millis ?? Number.POSITIVE_INFINITY) < one.millis - mostApart) place++
    const other = others[place]
    if (other === undefined || other.millis > one.millis + mostApart) continue
    pairs.push([one, other])
    place++
  }
  return pairs
}

/** Pairs what two tell of, each with at most one of the same kind that is at most so many milliseconds apart. */
export const pairByTime = <A extends Sighting, B extends Sighting>(
  ones: ReadonlyArray<A>,
  others: ReadonlyArray<B>,
  mostApart: number,
): ReadonlyArray<readonly [A, B]> => {
  const pairAlike = (these: ReadonlyArray<A>, those: ReadonlyArray<B>, keyOf: (each: Sighting) => string) => {
    const candidates = groupBy(inOrder(those), keyOf)
    return [...groupBy(inOrder(these), keyOf)].flatMap(([key, group]) =>
      pairRuns(group, candidates.get(key) ?? [], mostApart),
    )
  }
  const closest = pairAlike(ones, others, ({ kind, closerKind }) => JSON.stringify([kind, closerKind]))
  const paired = new Set<Sighting>(closest.flat())
  const isLeft = (each: Sighting) => !paired.has(each)
  return [...closest, ...pairAlike(ones.filter(isLeft), others.filter(isLeft), ({ kind }) => kind)]
}
