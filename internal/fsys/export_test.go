package fsys

// WalkOnly makes r find every parent without openat2(2).
func (r *Root) WalkOnly() { r.walkOnly.Store(true) }

// IsWalkOnly reports whether r has given up on openat2(2).
func (r *Root) IsWalkOnly() bool { return r.walkOnly.Load() }

// KernelReports says of which releases syncfs(2) reports all errors.
var KernelReports = kernelReports
