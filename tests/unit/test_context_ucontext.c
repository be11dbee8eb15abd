/*
 * The portable context switch, which architectures without an assembly form get.
 */
#define SUITE "context_ucontext"
#include "tests/harness/harness.h"

#include "core/context/ucontext.h"
#include "tests/unit/context_cases.h"
