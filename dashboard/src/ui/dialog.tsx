import { type ReactNode, useId, useLayoutEffect, useRef } from 'react'

/** A modal dialog of the browser's own: focus stays inside, Escape closes it, focus goes back to where it was. */
export function Dialog({
  title,
  onClose,
  children,
  wide = false,
}: {
  title: string
  onClose: () => void
  children: ReactNode
  /** `table`: as wide as a table of many columns needs. */
  wide?: boolean | 'table'
}) {
  const element = useRef<HTMLDialogElement>(null)
  const heading = useId()
  // While it still is in the page: a dialog that was taken out gives the focus to nobody.
  useLayoutEffect(() => {
    const dialog = element.current
    dialog?.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={element}
      className={wide === 'table' ? 'dialog dialog-table' : wide ? 'dialog dialog-wide' : 'dialog'}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <h2 id={heading}>{title}</h2>
      {children}
    </dialog>
  )
}
