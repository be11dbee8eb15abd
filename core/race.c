/*
 * Races and gathers: branches in a scope of their own, see <aio/scope.h>.
 */
#include "core/scope.h"

#include <limits.h>

struct race {
    struct aio_scope scope;
    struct aio_branch *winner;
    bool is_race;
    bool first_end;
};

/* A branch's task. The race it belongs to is found by its scope. */
static int race_branch(void *arg)
{
    struct aio_branch *branch = arg;
    branch->result = branch->fn(branch->arg);
    struct aio_scope *scope = aio_task_current()->scope;
    struct race *race = AIO__CONTAINER(scope, struct race, scope);
    if (race->is_race && race->winner == NULL && (branch->result >= 0 || race->first_end)) {
        race->winner = branch;
        aio__scope_cancel_children(scope);
    }
    return branch->result;
}

static void race_start(struct race *race, struct aio_branch *branches, size_t count)
{
    struct aio_task_options options = AIO_TASK_OPTIONS;
    for (size_t i = 0; i < count; i++) {
        options.name = branches[i].name;
        int rc = aio_scope_launch(&race->scope, race_branch, &branches[i], &options);
        if (rc < 0) {
            branches[i].result = rc;
            aio__scope_note(&race->scope, rc);
        }
    }
}

static void race_undo_losers(const struct race *race, struct aio_branch *branches, size_t count)
{
    struct aio_shield shield;
    aio_shield_enter(&shield);
    for (struct aio_branch *branch = branches; branch < branches + count; branch++) {
        branch->undone = branch != race->winner && branch->result >= 0 && branch->undo != NULL;
        if (branch->undone)
            branch->undo(branch->arg, branch->result);
    }
    aio_shield_leave(&shield);
}

/* Runs the branches to their end. Returns what went wrong first. */
static int race_run(struct race *race, struct aio_branch *branches, size_t count)
{
    const struct aio_scope_options collect = {.size = sizeof collect, .flags = AIO_SCOPE_COLLECT};
    for (size_t i = 0; i < count; i++) {
        branches[i].result = -ECANCELED;
        branches[i].undone = false;
    }
    int rc = aio__interrupted(AIO__CORE_OR_DIE());
    if (rc < 0)
        return rc;
    (void)aio_scope_open(&race->scope, &collect);
    race_start(race, branches, count);
    return aio_scope_join(&race->scope);
}

int aio_scope_race(struct aio_branch *branches, size_t count, unsigned flags)
{
    struct race race = {.is_race = true, .first_end = (flags & AIO_RACE_FIRST_END) != 0};
    if (count == 0 || count > INT_MAX || (flags & ~(unsigned)AIO_RACE_FIRST_END) != 0)
        return -EINVAL;
    int rc = race_run(&race, branches, count);
    race_undo_losers(&race, branches, count);
    return race.winner != NULL ? (int)(race.winner - branches) : rc;
}

int aio_scope_gather(struct aio_branch *branches, size_t count)
{
    struct race race = {.is_race = false};
    return race_run(&race, branches, count);
}
