// A modal dialog with a title, a form and two buttons: opened, filled in, closed. Knows nothing of what it asks.
import { h, setText } from '../dom.ts';

export interface FormDialog {
  readonly element: HTMLDialogElement;
  open(title: string): void;
}

/** `onSubmit` may fail: its message is shown and the dialog stays. */
export function createFormDialog(options: {
  readonly name: string;
  readonly submit: string;
  readonly content: readonly Node[];
  onSubmit(): Promise<void>;
  describe(error: unknown): string;
}): FormDialog {
  const titleId = `${options.name}-title`;
  const title = h('h2', { id: titleId });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const submit = h('button', { type: 'submit', class: 'button primary' }, options.submit);
  const form = h(
    'form',
    {
      onsubmit: async (event: SubmitEvent) => {
        event.preventDefault();
        setText(problem, '');
        submit.disabled = true;
        try {
          await options.onSubmit();
          element.close();
        } catch (error) {
          setText(problem, options.describe(error));
        } finally {
          submit.disabled = false;
        }
      },
    },
    title,
    ...options.content,
    problem,
    h(
      'div',
      { class: 'actions' },
      h('button', { type: 'button', class: 'button', onclick: () => element.close() }, 'Cancel'),
      submit,
    ),
  );
  const element = h('dialog', { 'aria-labelledby': titleId, 'data-testid': `${options.name}-dialog` }, form);
  return {
    element,
    open(text) {
      setText(title, text);
      setText(problem, '');
      element.showModal();
    },
  };
}
