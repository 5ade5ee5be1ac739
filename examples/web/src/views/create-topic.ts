// Asks for the name and the partitions of a new topic, creates it, and reads it from then on.
import type { AppState } from '../app-state.ts';
import type { Controller } from '../controller.ts';
import { h } from '../dom.ts';
import { messageOf } from '../format.ts';
import type { Store } from '../store.ts';
import { createFormDialog, type FormDialog } from './dialog.ts';

export function createTopicDialog(store: Store<AppState>, controller: Controller): FormDialog {
  const name = h('input', {
    class: 'field',
    id: 'new-topic-name',
    required: true,
    maxlength: 249,
    pattern: '[a-zA-Z0-9._\\-]+',
    title: 'Letters, digits, dots, dashes and underscores',
    autocomplete: 'off',
    spellcheck: 'false',
    autofocus: true,
  });
  const partitions = h('input', {
    class: 'field',
    id: 'new-topic-partitions',
    type: 'number',
    min: 1,
    max: 1024,
    step: 1,
    value: 3,
    required: true,
    inputmode: 'numeric',
  });
  return createFormDialog({
    name: 'create-topic',
    submit: 'Create topic',
    content: [
      h('div', { class: 'form-row' }, h('label', { for: name.id }, 'Name'), name),
      h('div', { class: 'form-row' }, h('label', { for: partitions.id }, 'Partitions'), partitions),
    ],
    describe: messageOf,
    async onSubmit() {
      const topic = name.value.trim();
      await controller.createTopic(topic, Number(partitions.value));
      controller.chooseTopics([...store.get().reading, topic]);
      name.value = '';
    },
  });
}
