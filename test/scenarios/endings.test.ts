/** How a job can end once it has a server: by its tests, or by trouble of our own. */
import { STORIES } from './stories.ts';
import { storyTests } from './telling.ts';

storyTests(STORIES.endings);
