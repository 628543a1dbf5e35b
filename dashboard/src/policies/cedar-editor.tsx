import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching } from '@codemirror/language'
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint'
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search'
import { EditorState, type Extension } from '@codemirror/state'
import {
  Decoration,
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  MatchDecorator,
  ViewPlugin,
  type ViewUpdate,
} from '@codemirror/view'
import { useEffect, useRef } from 'react'
import { kindOf, wordsOf } from './source-tokens.ts'

/** A remark at a place of the file, both from 1. */
export interface Mark {
  line: number
  column: number
  severity: 'error' | 'warning'
  message: string
}

/** Where to put the cursor; another object is another order. */
export interface Jump {
  line: number
  column: number
}

interface EditorProps {
  /** Name of the file: what it is says how it is coloured. */
  name: string
  text: string
  label: string
  marks: readonly Mark[]
  jump: Jump | undefined
  onChange: (text: string) => void
  /** Ctrl or Cmd with Enter. */
  onRun: () => void
}

const THEME = EditorView.theme({
  '&': { height: '100%', backgroundColor: 'var(--paper)', color: 'var(--ink)', fontSize: '13px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--ink)', padding: '8px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-gutters': { backgroundColor: 'var(--sunk)', color: 'var(--quiet)', border: '0' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in oklab, var(--accent-ground), transparent 60%)' },
  '.cm-activeLineGutter': { backgroundColor: 'transparent' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--accent-ground)',
  },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-ground)', outline: '1px solid var(--line-strong)' },
  '.cm-selectionMatch, .cm-searchMatch': { backgroundColor: 'var(--warn-ground)' },
  '.cm-specialChar': { color: 'var(--bad)' },
  '.cm-panels': { backgroundColor: 'var(--sunk)', color: 'var(--ink)', borderColor: 'var(--line)' },
  '.cm-panels input, .cm-panels button': {
    color: 'var(--ink)',
    background: 'var(--paper)',
    border: '1px solid var(--line-strong)',
    borderRadius: '4px',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--paper)',
    color: 'var(--ink)',
    border: '1px solid var(--line-strong)',
    borderRadius: '6px',
    maxWidth: '60ch',
  },
  '.cm-word-comment': { color: 'var(--quiet)', fontStyle: 'italic' },
  '.cm-word-string': { color: 'var(--word-string)' },
  '.cm-word-annotation': { color: 'var(--word-annotation)' },
  '.cm-word-effect': { color: 'var(--word-effect)', fontWeight: '700' },
  '.cm-word-keyword': { color: 'var(--accent)' },
  '.cm-word-type': { color: 'var(--word-annotation)' },
  '.cm-word-number': { color: 'var(--word-string)' },
})

function coloured(name: string): Extension {
  const matcher = new MatchDecorator({
    regexp: wordsOf(name),
    decoration: (match) => Decoration.mark({ class: `cm-word-${kindOf(match)}` }),
  })
  return ViewPlugin.define(
    (view) => ({
      words: matcher.createDeco(view),
      update(update: ViewUpdate) {
        this.words = matcher.updateDeco(update, this.words)
      },
    }),
    { decorations: ({ words }) => words },
  )
}

/**
 * A text editor for one file. It lives in a shadow root, where its styles are constructed sheets: the content security policy refuses style elements.
 * Tab moves on, as everywhere on the page; Ctrl ] and Ctrl [ indent.
 */
export function CedarEditor({ name, text, label, marks, jump, onChange, onRun }: EditorProps) {
  const place = useRef<HTMLDivElement>(null)
  const editor = useRef<EditorView>(undefined)
  const latest = useRef({ onChange, onRun })
  latest.current = { onChange, onRun }
  const initial = useRef(text)
  useEffect(() => {
    if (!place.current) return
    const root = place.current.shadowRoot ?? place.current.attachShadow({ mode: 'open', delegatesFocus: true })
    const state = EditorState.create({ doc: initial.current, extensions: extensionsOf(name, label, latest) })
    const view = new EditorView({ state, parent: root, root })
    editor.current = view
    return () => view.destroy()
  }, [name, label])
  useEffect(() => {
    const view = editor.current
    if (view)
      view.dispatch(
        setDiagnostics(
          view.state,
          marks.map((mark) => diagnosticOf(view.state, mark)),
        ),
      )
  }, [marks])
  useEffect(() => {
    const view = editor.current
    if (!view || !jump) return
    const at = offsetOf(view.state, jump)
    view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) })
    view.focus()
  }, [jump])
  return <div className="editor" ref={place} />
}

function extensionsOf(name: string, label: string, latest: { current: Pick<EditorProps, 'onChange' | 'onRun'> }): Extension[] {
  const run = (): boolean => {
    latest.current.onRun()
    return true
  }
  return [
    keymap.of([{ key: 'Mod-Enter', run }, ...searchKeymap, ...historyKeymap, ...lintKeymap, ...defaultKeymap]),
    lineNumbers(),
    history(),
    drawSelection(),
    highlightActiveLine(),
    highlightSpecialChars(),
    highlightSelectionMatches(),
    bracketMatching(),
    search({ top: true }),
    lintGutter(),
    coloured(name),
    THEME,
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0', spellcheck: 'false', autocorrect: 'off', autocapitalize: 'off' }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) latest.current.onChange(update.state.doc.toString())
    }),
  ]
}

function offsetOf({ doc }: EditorState, { line, column }: Jump): number {
  const found = doc.line(Math.min(Math.max(line, 1), doc.lines))
  return Math.min(found.from + Math.max(column - 1, 0), found.to)
}

function diagnosticOf(state: EditorState, mark: Mark): Diagnostic {
  const from = offsetOf(state, mark)
  return { from, to: state.doc.lineAt(from).to, severity: mark.severity, message: mark.message }
}
