# debhelper sequence file of dh_koweld(1).
use strict;
use warnings;
use Debian::Debhelper::Dh_Lib;

# After all that changes files: what dh_koweld proves is what is packed. Before
# what collects the scripts, the triggers and the dependencies.
insert_before('dh_installdeb', 'dh_koweld');

1;
