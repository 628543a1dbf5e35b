import { Link } from '@tanstack/react-router'
import { texts } from './texts.ts'

export function NotFound() {
  return (
    <main id="content" className="plain">
      <div className="empty">
        <h1>{texts.problem.notFound}</h1>
        <p className="quiet">{texts.problem.notFoundWhy}</p>
        <Link to="/inbox" className="button">
          {texts.problem.home}
        </Link>
      </div>
    </main>
  )
}
