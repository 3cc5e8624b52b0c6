/** Jobs and changes beside each other, and what people do to them meanwhile. */
import { STORIES } from './stories.ts';
import { storyTests } from './telling.ts';

storyTests(STORIES.several);
