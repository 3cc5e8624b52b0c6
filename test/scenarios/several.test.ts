/** Several jobs and changes at the same time, and events on them. */
import { STORIES } from './stories.ts';
import { storyTests } from './story-tests.ts';

storyTests(STORIES.several);
