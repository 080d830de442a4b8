package txn

// JudgeOutput is what decides over the words of depmod.
var JudgeOutput = judgeOutput
