// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {IAgentCoordinator} from "../IAgentCoordinator.sol";

/// @title IDirectory
/// @notice What groups and their members say of themselves: a group's name and where more about it stands, which members agree to be
/// in it, and where their nodes answer. It has no rights anywhere, and no rule of the coordinator reads it.
///
/// Every string is bounded in bytes and in nothing else. It may be no UTF-8, hold control characters, name a host of the reader's own
/// network, or pretend to be another group's: whoever shows or follows one treats it as what a stranger wrote.
interface IDirectory {
    /// @notice What a group says of itself.
    /// @param name Its name; unique to nobody.
    /// @param uri Where more about it stands.
    struct Profile {
        string name;
        string uri;
    }

    /// @notice What a current member says of itself.
    /// @param account The member.
    /// @param flags As the coordinator has them: `FLAG_VOTER`, `FLAG_REPLICA`, or both.
    /// @param agrees Whether it agrees to be in the group: it said so, did not take it back, and has not left.
    /// @param epoch The epoch whose members it knew when it said so; 0 where it does not agree.
    /// @param url Where its node answers, or nothing.
    struct Listing {
        address account;
        uint8 flags;
        bool agrees;
        uint64 epoch;
        string url;
    }

    /// @notice A replica of the current epoch, and where its node answers.
    /// @param account The replica.
    /// @param url What it announced, or nothing.
    struct Endpoint {
        address account;
        string url;
    }

    /// @notice A group changed what it says of itself.
    event ProfileSet(bytes32 indexed groupId, string name, string uri);

    /// @notice A member agrees to be in the group, with the members of this epoch.
    event Accepted(bytes32 indexed groupId, address indexed account, uint64 epoch);

    /// @notice Somebody no longer agrees to be in the group.
    event AcceptanceWithdrawn(bytes32 indexed groupId, address indexed account);

    /// @notice A node answers here from now on; nowhere if the URL is empty.
    event EndpointAnnounced(bytes32 indexed groupId, address indexed account, string url);

    /// @notice The address has no code, so it is no coordinator.
    error NoCoordinator(address given);
    /// @notice Only the group's account, by a decision of the group, may do this.
    error NotGroupAccount(bytes32 groupId, address caller);
    /// @notice Only a member may do this.
    error NotMember(bytes32 groupId, address caller);
    /// @notice Who has left cannot agree to be there.
    error HasLeft(bytes32 groupId, address caller);
    /// @notice The epoch is not the current one: its members are not those that the group has now.
    error NotCurrentEpoch(bytes32 groupId, uint64 epoch);
    /// @notice There is no acceptance to take back.
    error NotAccepted(bytes32 groupId, address caller);
    /// @notice A string has more bytes than are kept.
    error TooLong(uint256 bytes_, uint256 most);

    /// @notice Sets what the group says of itself.
    /// @dev Requires: the caller is the group's account; at most 64 bytes of name and 256 of URI.
    /// @param groupId The group.
    /// @param name Its name; empty for none.
    /// @param uri Where more about it stands; empty for nowhere.
    function setProfile(bytes32 groupId, string calldata name, string calldata uri) external;

    /// @notice Says that the caller agrees to be in the group, with exactly the members of this epoch. The group's identifier commits
    /// to its terms. It counts, also in later epochs, whenever the caller is a member, has not left, and has not taken it back; who
    /// reads it sees of which epoch it is, and whether that will do. Saying it again moves it to the epoch that is current then.
    /// @dev Requires: the caller is a member and has not left; the epoch is the current one, so that nobody agrees to a list of
    /// members that it has not seen.
    /// @param groupId The group.
    /// @param epoch The current epoch.
    function accept(bytes32 groupId, uint64 epoch) external;

    /// @notice Takes back that the caller agrees to be in the group. It changes nothing else: who wants to give up its vote calls
    /// `leave` of the coordinator.
    /// @dev Requires: the caller has said so; it need not be a member any more.
    function withdrawAcceptance(bytes32 groupId) external;

    /// @notice Says where the caller's node answers for the group, in place of what it said before.
    /// @dev Requires: at most 256 bytes; the caller is a member, or the URL is empty.
    /// @param groupId The group.
    /// @param url The base of its HTTP interface, such as `https://node.example:8443`; empty for nowhere.
    function announce(bytes32 groupId, string calldata url) external;

    /// @notice What the group says of itself; empty where it said nothing.
    function profile(bytes32 groupId) external view returns (Profile memory);

    /// @notice What the account says of itself now; `flags` is 0, and nothing else is told, when it is no member.
    function listing(bytes32 groupId, address account) external view returns (Listing memory);

    /// @notice The members of the current epoch by ascending account, and what they say of themselves.
    /// @param groupId The group.
    /// @param first The place in the list of members at which to begin.
    /// @param most How many to answer with.
    /// @return epoch The current epoch: two answers of one epoch are pages of one list.
    /// @return total How many members there are.
    /// @return page Those asked for.
    function listings(bytes32 groupId, uint256 first, uint256 most)
        external
        view
        returns (uint64 epoch, uint256 total, Listing[] memory page);

    /// @notice The replicas of the current epoch by ascending account, and where their nodes answer. With the coordinator's address and
    /// the group's identifier this is all that a client need know.
    /// @param groupId The group.
    /// @param first The place in the list of replicas at which to begin.
    /// @param most How many to answer with.
    /// @return epoch The current epoch: two answers of one epoch are pages of one list.
    /// @return total How many replicas there are.
    /// @return page Those asked for.
    function endpoints(bytes32 groupId, uint256 first, uint256 most)
        external
        view
        returns (uint64 epoch, uint256 total, Endpoint[] memory page);

    /// @notice The coordinator whose groups these are.
    function coordinator() external view returns (IAgentCoordinator);
}
