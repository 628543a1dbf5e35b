import { Arg, Ctx, Int, Query, Resolver } from 'type-graphql'
import { instant } from '../../gateway/core/clock.ts'
import { LIMITS } from '../../gateway/limits.ts'
import type { FigureGroup } from '../../gateway/ports/call-figures.ts'
import type { OperatorContext } from '../../gateway/ports/operator.ts'
import { MetricsGroupEnum } from './enums.ts'
import { given } from './filters.ts'
import { ExceptionRowType, MetricsFilterInput, MetricsRangeInput, MetricsType } from './metrics-type.ts'

const range = ({ since, until }: MetricsRangeInput) => ({
  since: instant(since.getTime()),
  ...given('until', until && instant(until.getTime())),
})

const FIRST = { nullable: true, description: `At most ${LIMITS.metricsRowsMax}, which is also how many come where it is not given.` }

@Resolver()
export class MetricsResolver {
  @Query(() => MetricsType, { description: 'Figures of a range from the record, in rows. Errors: FORBIDDEN, BAD_INPUT, UNAVAILABLE.' })
  async metrics(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('range', () => MetricsRangeInput) asked: MetricsRangeInput,
    @Arg('groupBy', () => MetricsGroupEnum, { defaultValue: 'TOTAL' }) groupBy: FigureGroup,
    @Arg('filter', () => MetricsFilterInput, { nullable: true }) filter: MetricsFilterInput | null,
    @Arg('first', () => Int, FIRST) first: number | null,
  ): Promise<MetricsType> {
    const wanted = { ...given('agent', filter?.agent), ...given('connector', filter?.connector), ...given('operation', filter?.operation) }
    return new MetricsType(await cases.callMetrics(by, range(asked), groupBy, wanted, first ?? LIMITS.metricsRowsMax))
  }

  @Query(() => [ExceptionRowType], {
    description:
      'Where calls of a range ended badly, and requests that never became one; the most frequent first. Errors: FORBIDDEN, BAD_INPUT, UNAVAILABLE.',
  })
  async exceptions(
    @Ctx() { by, cases }: OperatorContext,
    @Arg('range', () => MetricsRangeInput) asked: MetricsRangeInput,
    @Arg('first', () => Int, FIRST) first: number | null,
  ): Promise<ExceptionRowType[]> {
    const rows = await cases.exceptions(by, range(asked), first ?? LIMITS.metricsRowsMax)
    return rows.map((row) => new ExceptionRowType(row))
  }
}
