/*
 * Storms of selects over channels between cores.
 */
#define SUITE "soak_selects"
#include "tests/behaviour/select_mesh.h"
#include "tests/soak/soak.h"

#include <stdio.h>

/* Meshes, one after the other, until the storm is over. */
static void storm(const char *what, const size_t capacities[MESH_CHANNELS])
{
    struct storm storm = storm_begin(what, 2000);
    int64_t sent = 0;
    while (storm_goes_on(&storm))
        sent += mesh_run(20, capacities);
    printf("\n    %lld items", (long long)sent);
    AIO_CHECK(sent > 0);
}

BEHAVIOUR_OUTSIDE(mesh_of_rendezvous)
{
    storm("meshes of rendezvous", (size_t[]){0, 0, 0});
}

BEHAVIOUR_OUTSIDE(mesh_of_all_capacities)
{
    storm("meshes of all capacities", (size_t[]){0, 1, 5});
}
