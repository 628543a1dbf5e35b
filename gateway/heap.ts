import { setFlagsFromString } from 'node:v8'
import { LIMITS } from './limits.ts'

/**
 * Where memory is plentiful V8 lets the heap grow to four times what lives in it before it collects in earnest. Bounded, a gateway under load stays below
 * half of that, for no processor time that could be measured. V8 reads the flag at each collection, so it holds from the next one on.
 */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${LIMITS.heapGrowthPercentMax}`)
}
