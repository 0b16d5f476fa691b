import type { IconName } from '@/look/Icon';
import type { View } from '@/state/screen';

export const NAV: readonly { view: View; label: string; icon: IconName }[] = [
  { view: 'canvas', label: 'Canvas', icon: 'canvas' },
  { view: 'approvals', label: 'Approvals', icon: 'hex' },
  { view: 'templates', label: 'Templates', icon: 'grid' },
  { view: 'activity', label: 'Activity', icon: 'turns' },
  { view: 'health', label: 'Health', icon: 'pulse' },
];
