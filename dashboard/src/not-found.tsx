import { Link } from '@tanstack/react-router'
import { texts } from './texts.ts'

export function NotFound() {
  return (
    <main id="content" className="empty">
      <h1>{texts.problem.notFound}</h1>
      <Link to="/inbox">{texts.problem.home}</Link>
    </main>
  )
}
