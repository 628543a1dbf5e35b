import { Link } from '@tanstack/react-router'
import { texts } from './texts.ts'

/** In place of a page that others may see. */
export function NotForYou({ title }: { title: string }) {
  return (
    <main id="content" className="plain">
      <header className="page-head">
        <h1>{title}</h1>
      </header>
      <div className="empty">
        <h2>{texts.notForYou.title}</h2>
        <p className="quiet">{texts.notForYou.who[title] ?? texts.notForYou.readers}</p>
        <Link to="/inbox" className="button">
          {texts.problem.home}
        </Link>
      </div>
    </main>
  )
}
