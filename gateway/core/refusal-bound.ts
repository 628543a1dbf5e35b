const CONFIDENCE = 0.95

/** The probability of at most `k` in `n`, each with probability `p` in (0, 1); summed in logarithms, since powers of many decisions vanish. */
function atMost(k: number, n: number, p: number): number {
  let term = n * Math.log1p(-p)
  let sum = Math.exp(term)
  for (let i = 1; i <= k; i++) {
    term += Math.log((n - i + 1) / i) + Math.log(p) - Math.log1p(-p)
    sum += Math.exp(term)
  }
  return sum
}

/**
 * The exact one-sided 95 % upper bound (Clopper and Pearson) of a rate that showed `k` times in `n` independent tries: a higher one would have shown so
 * few less than once in twenty times. 1 where nothing was tried. Pure; `0 <= k <= n`, whole numbers.
 */
export function refusalBound(k: number, n: number): number {
  if (n === 0 || k >= n) return 1
  let [low, high] = [k / n, 1]
  // Each step halves what is left: after 50 nothing that a double tells apart.
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2
    if (atMost(k, n, middle) > 1 - CONFIDENCE) low = middle
    else high = middle
  }
  return high
}
