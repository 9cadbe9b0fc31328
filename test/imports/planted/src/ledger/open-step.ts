// planted: nothing
export const openStep = (stepId: string): string => stepId;
