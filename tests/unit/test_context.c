/*
 * The context switch this build uses.
 */
#define SUITE "context"
#include "tests/harness/harness.h"

#include "core/context/context.h"
#include "tests/unit/context_cases.h"
