/** Reproducible made-up data: the same seed gives the same values on every machine. */
export class Seeding {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0 to below `end` (a 32-bit xorshift). */
  below(end: number): number {
    let x = this.#state || 0x9e3779b9
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x >>> 0
    return this.#state % end
  }

  pick<T>(from: readonly T[]): T {
    const one = from[this.below(from.length)]
    if (one === undefined) throw new RangeError('nothing to pick from')
    return one
  }

  /** An amount with two decimals. */
  amount(min: number, max: number): number {
    return (min * 100 + this.below((max - min) * 100)) / 100
  }

  /** ISO date, up to `days` before 2026-06-30. */
  date(days: number): string {
    return new Date(Date.UTC(2026, 5, 30) - this.below(days) * 86_400_000).toISOString().slice(0, 10)
  }

  /** ISO instant, up to `days` before 2026-06-30. */
  instant(days: number): string {
    return new Date(Date.UTC(2026, 5, 30, 16) - this.below(days * 1440) * 60_000).toISOString()
  }
}

export const GIVEN_NAMES = [
  'Anna',
  'Ben',
  'Carla',
  'David',
  'Elif',
  'Farid',
  'Greta',
  'Hugo',
  'Irina',
  'Jonas',
  'Klara',
  'Luca',
  'Mira',
  'Nils',
  'Olivia',
  'Pavel',
  'Rosa',
  'Stefan',
  'Tuva',
  'Viktor',
] as const
export const FAMILY_NAMES = [
  'Albers',
  'Bergstrom',
  'Castelli',
  'Dubois',
  'Egger',
  'Fournier',
  'Gruber',
  'Hansen',
  'Ivanova',
  'Jansen',
  'Kowalski',
  'Lindqvist',
  'Moreau',
  'Novak',
  'Okafor',
  'Petrov',
  'Rossi',
  'Schreiber',
  'Tanaka',
  'Weber',
] as const
export const PLACES = [
  'Aachen',
  'Bergen',
  'Brno',
  'Cardiff',
  'Delft',
  'Espoo',
  'Fulda',
  'Graz',
  'Hasselt',
  'Innsbruck',
  'Jena',
  'Kassel',
  'Lille',
  'Malmo',
  'Nantes',
  'Odense',
  'Porto',
  'Riga',
  'Siegen',
  'Trento',
] as const
export const TRADES = [
  'Antriebe',
  'Bearings',
  'Castings',
  'Drives',
  'Elektronik',
  'Fasteners',
  'Gears',
  'Hydraulics',
  'Instruments',
  'Kunststoff',
  'Laser',
  'Machining',
  'Motors',
  'Pumps',
  'Robotics',
  'Sensors',
  'Tooling',
  'Valves',
  'Werkzeuge',
  'Zinc',
] as const
export const LEGAL_FORMS = ['GmbH', 'AG', 'BV', 'AB', 'SAS', 'Ltd', 'SpA', 'Oy'] as const
